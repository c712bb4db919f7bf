import { Button } from '@vector-im/compound-web'
import { EventStatus, type MatrixEvent, type Room } from 'matrix-js-sdk'
import { useClient } from '../session/client-context.ts'

/** What becomes of an event that this client sends; nothing once the homeserver has it. */
export function SendState({ event, room }: { event: MatrixEvent; room: Room }) {
  const client = useClient()
  if (event.status === null || event.status === EventStatus.SENT) return null
  if (event.status !== EventStatus.NOT_SENT) return <p className="message-faint">Sending…</p>
  return (
    <div className="send-failure" role="alert">
      <span>{event.isRedaction() ? 'Not deleted' : 'Not sent'}</span>
      <Button kind="tertiary" size="md" onClick={() => void client.resendEvent(event, room).catch(() => undefined)}>
        Try again
      </Button>
      <Button kind="tertiary" size="md" onClick={() => client.cancelPendingEvent(event)}>
        Discard
      </Button>
    </div>
  )
}
