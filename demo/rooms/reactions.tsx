import { EventType, type MatrixEvent, RelationType, type Room } from 'matrix-js-sdk'
import { useClient } from '../session/client-context.ts'
import { nameIn } from './event-text.ts'

/** What people reacted with, and how many; a click adds one's own or takes it back. */
export function Reactions({ event, room }: { event: MatrixEvent; room: Room }) {
  const client = useClient()
  const eventId = event.getId() ?? ''
  const found = room.relations.getChildEventsForEvent(eventId, RelationType.Annotation, EventType.Reaction)
  const byKey = (found?.getSortedAnnotationsByKey() ?? []).filter(([, reactions]) => reactions.size > 0)
  if (byKey.length === 0 || event.isRedacted()) return null
  const toggle = (key: string, own: MatrixEvent | undefined) =>
    own
      ? client.redactEvent(room.roomId, own.getId() ?? '')
      : client.sendEvent(room.roomId, EventType.Reaction, {
          'm.relates_to': { rel_type: RelationType.Annotation, event_id: eventId, key },
        })
  return (
    <ul className="message-reactions" aria-label="Reactions">
      {byKey.map(([key, reactions]) => {
        const own = [...reactions].find((reaction) => reaction.getSender() === client.getSafeUserId())
        const names = [...reactions].map((reaction) => nameIn(room, reaction.getSender() ?? '')).join(', ')
        return (
          <li key={key}>
            <button
              type="button"
              title={names}
              aria-pressed={own !== undefined}
              aria-label={`${key}: ${names}`}
              onClick={() => void toggle(key, own).catch(() => undefined)}
            >
              {key.slice(0, 24)} {reactions.size}
            </button>
          </li>
        )
      })}
    </ul>
  )
}
