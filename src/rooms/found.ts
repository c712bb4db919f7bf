import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import { buildPdu } from '../spec/build-pdu.ts'
import { unknownError } from '../spec/errors.ts'
import type { RoomEvent, RoomId, ServerName, UserId } from '../spec/event.ts'
import { parseEvent } from '../spec/event-format.ts'
import type { JsonObject } from '../spec/json.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { chosenFields } from './chosen-id.ts'
import { formatRefusal } from './format-refusal.ts'
import type { SignEvent } from './remote.ts'
import type { RoomDraft } from './room-draft.ts'
import type { RoomQueue } from './room-queue.ts'

/** A room to be. */
export interface Foundation {
  readonly rules: RoomVersionRules
  readonly creator: UserId
  /** Content of the create event beside `room_version` and the obsolete `creator`, which are added here. */
  readonly createContent: JsonObject
  readonly furnish?: (draft: RoomDraft) => Promise<void>
}

/**
 * Makes a room of its create event and of what `furnish` puts after it, in one commit: all of it or nothing. Its id is the create
 * event's hash from version 12 on, and random before. Throws `M_TOO_LARGE` or `M_BAD_JSON` for content that no event may have.
 */
export async function foundRoom(
  { rules, creator, createContent, furnish = async () => undefined }: Foundation,
  deps: {
    readonly queue: RoomQueue
    readonly clock: Clock
    readonly random: Random
    readonly signEvent: SignEvent
    readonly serverName: ServerName
  },
): Promise<RoomId> {
  const content = {
    ...createContent,
    room_version: rules.version,
    ...(rules.auth.creatorInContent ? { creator } : {}),
  }
  const chosenId = rules.roomId === 'chosen' ? { roomId: `!${encodeUrlSafeBase64(deps.random.bytes(18))}:${deps.serverName}` } : {}
  // Two rooms alike, made in the same millisecond, would have the same hash: the later one is made a little later.
  for (let originServerTs = deps.clock.now(); ; originServerTs++) {
    const fields = { ...chosenId, type: 'm.room.create', stateKey: '', sender: creator, content, originServerTs }
    const chosen = chosenFields(rules, { sender: creator, random: deps.random, hashOf: () => undefined })
    const pdu = buildPdu({ ...fields, ...chosen, prevEvents: [], authEvents: [], depth: 1 }, rules)
    const parsed = parseEvent(await deps.signEvent(pdu, rules), rules)
    if ('error' in parsed) throw formatRefusal(parsed)
    if (await isFounded(parsed.event, { rules, furnish }, deps.queue)) return parsed.event.roomId
  }
}

/** Puts the create event in its place, and the rest after it; `false` where there is such a room already. */
async function isFounded(
  event: RoomEvent,
  { rules, furnish }: Required<Pick<Foundation, 'rules' | 'furnish'>>,
  queue: RoomQueue,
): Promise<boolean> {
  return queue.enqueue(event.roomId, async (draft) => {
    if (draft.exists) return false
    draft.begin(rules)
    const placed = await draft.place(event, { live: true })
    if (placed.status !== 'accepted') throw unknownError(`The create event was refused: ${placed.reason}`)
    await furnish(draft)
    return true
  })
}
