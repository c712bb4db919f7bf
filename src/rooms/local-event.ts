import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { Write } from '../ports/storage.ts'
import { authEventKeys } from '../spec/auth-events.ts'
import { buildPdu } from '../spec/build-pdu.ts'
import type { EventId, RoomEvent, RoomId, UserId } from '../spec/event.ts'
import { parseEvent } from '../spec/event-format.ts'
import { referenceHash } from '../spec/event-hash.ts'
import type { JsonObject } from '../spec/json.ts'
import type { SentTransaction } from '../storage/tables/rooms.ts'
import { chosenFields } from './chosen-id.ts'
import { formatRefusal } from './format-refusal.ts'
import type { SignEvent } from './remote.ts'
import type { RoomDraft } from './room-draft.ts'

/** An event that a local user wants to send. */
export interface LocalEvent {
  readonly roomId: RoomId
  readonly sender: UserId
  readonly type: string
  readonly stateKey?: string
  readonly content: JsonObject
  readonly redacts?: string
  /** How long it is delivered to everyone in the room, ms (MSC4354). */
  readonly stickyMs?: number
  /** Milliseconds; now unless told. */
  readonly originServerTs?: number
  /** A repeat of the same id on the same device and path is the same event. */
  readonly transaction?: Omit<SentTransaction, 'userId'>
  /** Written in the same commit. */
  readonly alongside?: (eventId: EventId) => readonly Write[]
}

/** The most previous events an event may have (Server-Server API, "PDUs"). */
const maxPrevEvents = 20

/**
 * Builds, hashes and signs the event at the head of the room. The state before it is the draft's current state, unless the
 * room has more extremities than one event may join.
 * Throws `M_TOO_LARGE` or `M_BAD_JSON` where the event breaks the event format.
 */
export async function buildLocalEvent(
  draft: RoomDraft,
  request: LocalEvent,
  deps: { readonly clock: Clock; readonly random: Random; readonly signEvent: SignEvent },
): Promise<RoomEvent> {
  const { rules } = draft
  const prevEvents = [...draft.forwardExtremities].slice(0, maxPrevEvents)
  const authEvents = authEventKeys(rules, { ...request, stateKey: request.stateKey }).flatMap((key) => draft.state.get(key) ?? [])
  const found = await draft.find([...prevEvents, ...authEvents])
  const cited = new Map([...found].map(([eventId, { event }]) => [eventId, event]))
  const hashOf = (eventId: EventId) => referenceHash(cited.get(eventId)?.pdu ?? {}, rules)
  const pdu = buildPdu(
    {
      ...request,
      ...chosenFields(rules, { sender: request.sender, random: deps.random, hashOf }),
      originServerTs: request.originServerTs ?? deps.clock.now(),
      prevEvents,
      authEvents,
      depth: 1 + Math.max(0, ...prevEvents.map((eventId) => cited.get(eventId)?.depth ?? 0)),
    },
    rules,
  )
  const parsed = parseEvent(await deps.signEvent(pdu, rules), rules)
  if ('error' in parsed) throw formatRefusal(parsed)
  return parsed.event
}
