import { Text } from '@vector-im/compound-web'
import { Card } from '../interface/card.tsx'

/** Shown where a restored copy of this homeserver runs elsewhere: two must never speak under one name. */
export function Superseded({ serverName }: { serverName: string | undefined }) {
  return (
    <Card title="Your homeserver has moved">
      <Text as="p">
        A newer copy of it, restored with its recovery key, runs in another browser. This one has stopped for good, so that nobody is told
        two stories under one name. Open Yurt there to go on.
      </Text>
      {serverName !== undefined && <p className="server-name">{serverName}</p>}
    </Card>
  )
}
