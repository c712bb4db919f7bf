import type { Write } from '../../ports/storage.ts'
import type { Directory } from '../../rooms/directory.ts'
import type { RoomMembership } from '../../rooms/membership.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import type { LocalEvent, RoomSender } from '../../rooms/send.ts'
import { badJson, forbidden, MatrixError, notFound, userSuspended } from '../../spec/errors.ts'
import { type EventId, type RoomId, stateKeyOf as stateKey } from '../../spec/event.ts'
import { isEventId, parseUserId } from '../../spec/identifiers.ts'
import type { JsonObject } from '../../spec/json.ts'
import { powerLevelsOf } from '../../spec/power-levels.ts'
import { type Relations, relationOf } from '../../sync/relations.ts'

export interface UserSendingDeps {
  readonly sender: RoomSender
  readonly membership: RoomMembership
  /** Refuses a canonical alias that does not lead to the room. */
  readonly checkCanonical: Directory['checkCanonical']
  readonly store: RoomStore
  readonly relations: Relations
}

/** Who sends. */
interface Author {
  readonly userId: string
  readonly suspended: boolean
}

/** Sends an event as a user, as their client may: resolves with its id once it is durable. Throws what forbids it. */
export type SendAsUser = (author: Author, event: Omit<LocalEvent, 'sender'>) => Promise<EventId>

/** What of an event a client sends is checked or done beside the room's own rules (Client-Server API, "Sending events to a room"). */
export function userSending(deps: UserSendingDeps): SendAsUser {
  return async (author, event) => {
    const { roomId, type, content, alongside } = event
    const request = { ...event, sender: author.userId }
    if (event.stateKey === undefined && type === 'm.room.redaction')
      return deps.sender.send({ ...request, ...(await redaction(deps, author, { roomId, content })) })
    if (author.suspended) throw userSuspended()
    if (event.stateKey === undefined) await checkRelation(deps, author, { roomId, type, content })
    else if (type === 'm.room.member')
      return setMembership(deps, author, { ...event, stateKey: event.stateKey, alongside: alongside ?? (() => []) })
    else if (type === 'm.room.canonical_alias' && event.stateKey === '') await deps.checkCanonical(roomId, content)
    return deps.sender.send(request)
  }
}

/**
 * A redaction, whose target moves to where the room's version keeps it. Who may redact what others sent may redact also what is
 * not known here: it never will be, then. Throws `M_FORBIDDEN`, `M_NOT_FOUND`.
 */
async function redaction(
  { store }: UserSendingDeps,
  author: Author,
  { roomId, content }: { readonly roomId: RoomId; readonly content: JsonObject },
): Promise<Omit<LocalEvent, 'sender'>> {
  const { redacts, ...rest } = content
  if (typeof redacts !== 'string' || !isEventId(redacts)) throw badJson('redacts is not an event id')
  const [current, target] = await Promise.all([store.room(roomId), store.event(redacts)])
  const elsewhere = notFound('There is no such event in this room')
  if (!current || (target && target.event.roomId !== roomId)) throw elsewhere
  if (target?.event.sender !== author.userId) {
    if (author.suspended) throw target ? userSuspended() : elsewhere
    const [create, levels] = await Promise.all([
      store.stateEvent(current.state, 'm.room.create', ''),
      store.stateEvent(current.state, 'm.room.power_levels', ''),
    ])
    const power = powerLevelsOf(current.rules, create, levels)
    if (power.user(author.userId) < power.redact) throw target ? forbidden('You may not redact what others sent') : elsewhere
  }
  return { roomId, type: 'm.room.redaction', content: rest, redacts }
}

/** Refuses a reaction that was sent before, and a thread that would begin inside of another relation. */
async function checkRelation(
  { relations, store }: UserSendingDeps,
  author: Author,
  { roomId, type, content }: { readonly roomId: RoomId; readonly type: string; readonly content: JsonObject },
): Promise<void> {
  const relation = relationOf(content)
  if (relation?.type === 'm.thread') {
    const root = await store.event(relation.parent)
    const nested = root && relationOf(root.event.content)
    if (nested) throw new MatrixError(400, 'M_UNKNOWN', { message: 'A thread cannot begin at an event that relates to another' })
  }
  if (relation?.type !== 'm.annotation') return
  const siblings = (await relations.children(roomId, [relation.parent], 'm.annotation')).get(relation.parent) ?? []
  const isDuplicate = siblings.some(
    ({ event }) => event.sender === author.userId && event.type === type && keyOf(event.content) === keyOf(content),
  )
  if (isDuplicate) throw new MatrixError(400, 'M_DUPLICATE_ANNOTATION', { message: 'You have reacted like this already' })
}

function keyOf(content: JsonObject): unknown {
  const relation = content['m.relates_to']
  return typeof relation === 'object' && relation !== null && !Array.isArray(relation) ? relation.key : undefined
}

/** A membership set as state goes the way of `/join`, `/invite` and their like: other servers may have to be asked. */
async function setMembership(
  { membership, sender, store }: UserSendingDeps,
  author: Author,
  request: Omit<LocalEvent, 'sender'> & { readonly stateKey: string; readonly alongside: (eventId: EventId) => readonly Write[] },
): Promise<EventId> {
  const { roomId, stateKey: target, content, alongside } = request
  if (parseUserId(target) === undefined) throw badJson('The state key of a membership is a user id')
  const { membership: wanted, ...rest } = content
  const isOwn = target === author.userId
  const current = (await store.memberships(author.userId)).get(roomId)
  // A change of one's own profile in the room is an ordinary event.
  if (wanted === 'join' && isOwn && current?.membership === 'join') return sender.send({ ...request, sender: author.userId })
  const change = { sender: author.userId, target, roomId, content: rest, alongside }
  const own = { userId: target, roomId, content: rest, alongside }
  if (wanted === 'join' && isOwn) await membership.join({ ...own, via: [] })
  else if (wanted === 'leave' && isOwn) await membership.leave(own)
  else if (wanted === 'leave') await ((await isBanned(store, roomId, target)) ? membership.unban(change) : membership.kick(change))
  else if (wanted === 'invite') await membership.invite(change)
  else if (wanted === 'ban') await membership.ban(change)
  else if (wanted === 'knock' && isOwn) await membership.knock({ ...own, via: [] })
  else throw forbidden('This membership cannot be set')
  const eventId = (await store.room(roomId))?.state.get(stateKey('m.room.member', target))
  if (eventId === undefined) throw notFound('The membership is not known here')
  return eventId
}

async function isBanned(store: RoomStore, roomId: RoomId, target: string): Promise<boolean> {
  const room = await store.room(roomId)
  return room !== undefined && (await store.stateEvent(room.state, 'm.room.member', target))?.content.membership === 'ban'
}
