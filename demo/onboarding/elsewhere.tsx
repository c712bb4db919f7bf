import { Button, Text } from '@vector-im/compound-web'
import { Card } from '../interface/card.tsx'

/** Shown while another tab of this browser has the chat open. */
export function Elsewhere({ useHere }: { useHere: () => void }) {
  return (
    <Card title="Yurt is open in another tab">
      <Text as="p">The chat is shown in one tab at a time. This tab helps to keep your homeserver running.</Text>
      <Button onClick={useHere}>Use it here</Button>
    </Card>
  )
}
