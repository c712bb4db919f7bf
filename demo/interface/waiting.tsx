import { InlineSpinner, Text } from '@vector-im/compound-web'
import { Card } from './card.tsx'

/** What is shown while there is nothing to show yet, or when there never will be. */
export function Waiting({ title, text, isStuck = false }: { title: string; text?: string | undefined; isStuck?: boolean }) {
  return (
    <Card title={title} isBusy={!isStuck}>
      <div role="status" className="waiting">
        {!isStuck && <InlineSpinner size={24} />}
        <Text as="p">{text ?? 'This takes a moment.'}</Text>
      </div>
    </Card>
  )
}
