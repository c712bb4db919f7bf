import { Button, Heading, InlineSpinner, Text } from '@vector-im/compound-web'
import { MatrixError } from 'matrix-js-sdk'
import { useEffect, useState } from 'react'
import { addRelays, relayConnected } from '../homeserver/control.ts'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { roomHash } from '../interface/use-hash.ts'
import { useClient } from '../session/client-context.ts'
import type { JoinLink } from './join-link.ts'

/** Follows an invite link: joins, or asks to be let in where one has to. */
export function JoinPage({ link }: { link: JoinLink }) {
  const client = useClient()
  const [mustAsk, setMustAsk] = useState(false)
  const viaServers = [...link.via]
  const join = useAction(async () => {
    if (link.relay !== undefined) await addRelays([{ address: link.relay }]).catch(() => undefined)
    await relayConnected()
    try {
      const { roomId } = await client.joinRoom(link.room, { viaServers })
      location.replace(roomHash(roomId))
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
      setMustAsk(true)
    }
  })
  const knock = useAction(async () => {
    const { room_id: roomId } = await client.knockRoom(link.room, { viaServers })
    location.replace(roomHash(roomId))
  })
  useEffect(() => void join.run(), [join.run])
  return (
    <div className="no-room">
      <Heading as="h2" size="md" weight="semibold">
        {mustAsk ? 'Ask to join this room' : join.failure === undefined ? 'Joining the room…' : 'The room cannot be joined now'}
      </Heading>
      <p className="server-name">{link.room}</p>
      {mustAsk && <Text as="p">Someone in the room has to let you in. They see your name and address.</Text>}
      {join.isRunning && <InlineSpinner size={24} />}
      <ErrorNote text={knock.failure ?? join.failure} />
      <div className="buttons">
        {mustAsk && (
          <Button disabled={knock.isRunning} onClick={() => void knock.run()}>
            {knock.isRunning ? 'Asking…' : 'Ask to join'}
          </Button>
        )}
        {join.failure !== undefined && <Button onClick={() => void join.run()}>Try again</Button>}
        <Button as="a" kind="secondary" href="#/">
          Not now
        </Button>
      </div>
    </div>
  )
}
