import { Button, Heading, InlineSpinner, Text } from '@vector-im/compound-web'
import { MatrixError } from 'matrix-js-sdk'
import { useEffect, useState } from 'react'
import { hostOf } from '../account/connection-list.tsx'
import { addRelays, relayConnected } from '../homeserver/control.ts'
import { useHomeserver } from '../homeserver/homeserver-context.ts'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { roomHash } from '../interface/use-hash.ts'
import { useClient } from '../session/client-context.ts'
import { isApprovedLink } from './approved-link.ts'
import type { JoinLink } from './join-link.ts'
import { JoinNote } from './join-note.tsx'

/** Follows an invite link: joins, or asks to be let in where one has to. */
export function JoinPage({ link }: { link: JoinLink }) {
  const client = useClient()
  const [isAsked, setAsked] = useState(() => !isApprovedLink(location.hash))
  const [mustKnock, setMustKnock] = useState(false)
  const viaServers = [...link.via]
  const join = useAction(async () => {
    setAsked(false)
    if (link.relay !== undefined) await addRelays([{ address: link.relay }]).catch(() => undefined)
    await relayConnected()
    try {
      const { roomId } = await client.joinRoom(link.room, { viaServers })
      location.replace(roomHash(roomId))
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
      setMustKnock(true)
    }
  })
  const knock = useAction(async () => {
    const { room_id: roomId } = await client.knockRoom(link.room, { viaServers })
    location.replace(roomHash(roomId))
  })
  useEffect(() => {
    if (isApprovedLink(location.hash)) void join.run()
  }, [join.run])
  return (
    <div className="no-room">
      <Heading as="h2" size="md" weight="semibold">
        {titleOf({ isAsked, mustKnock, hasFailed: join.failure !== undefined })}
      </Heading>
      <p className="server-name">{link.room}</p>
      {isAsked && <NewRelay address={link.relay} />}
      {mustKnock && <Text as="p">Someone in the room has to let you in. They see your name and address.</Text>}
      {join.isRunning && <InlineSpinner size={24} />}
      {join.isRunning && <JoinNote />}
      <ErrorNote text={knock.failure ?? join.failure} />
      <div className="buttons">
        {mustKnock && (
          <Button disabled={knock.isRunning} onClick={() => void knock.run()}>
            {knock.isRunning ? 'Asking…' : 'Ask to join'}
          </Button>
        )}
        {isAsked && <Button onClick={() => void join.run()}>Join</Button>}
        {join.failure !== undefined && <Button onClick={() => void join.run()}>Try again</Button>}
        <Button as="a" kind="secondary" href="#/">
          Not now
        </Button>
      </div>
    </div>
  )
}

function titleOf({ isAsked, mustKnock, hasFailed }: { isAsked: boolean; mustKnock: boolean; hasFailed: boolean }): string {
  if (isAsked) return 'Join this room?'
  if (mustKnock) return 'Ask to join this room'
  return hasFailed ? 'The room cannot be joined now' : 'Joining the room…'
}

/** Says that joining means to use one more relay. */
function NewRelay({ address }: { address: string | undefined }) {
  const { connections } = useHomeserver().status
  if (address === undefined || connections?.relays.some((relay) => relay.address === address)) return null
  return <Text as="p">{`It is reached over the relay ${hostOf(address)}, which your homeserver then uses as well.`}</Text>
}
