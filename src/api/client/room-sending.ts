import * as v from 'valibot'
import { type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
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
import { eventIdOf, eventTypeOf, reasonText, roomIdOf, stateKeyOf, transactionIdOf } from './room-fields.ts'

export interface RoomSendingDeps {
  readonly sender: RoomSender
  readonly membership: RoomMembership
  readonly directory: Directory
  readonly store: RoomStore
  readonly relations: Relations
  /** Told that a user does something. */
  readonly presence: { active(userId: string): Promise<void> }
}

const room = '/_matrix/client/v3/rooms/:roomId'

/** Sending events (Client-Server API, "Sending events to a room", "Redactions"). */
export function roomSendingEndpoints(deps: RoomSendingDeps): Endpoint[] {
  const { sender, presence } = deps
  const send = async (session: Session, request: Omit<LocalEvent, 'sender'>) => {
    // Presence is a courtesy: no message waits for it, nor fails with it.
    void presence.active(session.userId).catch(() => undefined)
    return { event_id: await sender.send({ ...request, sender: session.userId }) }
  }
  return [
    forUser({
      method: 'PUT',
      path: `${room}/send/:eventType/:txnId`,
      body: jsonObject,
      handle: async ({ session, params, body }) => {
        const roomId = roomIdOf(params)
        const type = eventTypeOf(params)
        const transaction = { deviceId: session.deviceId, endpoint: `send/${type}`, id: transactionIdOf(params) }
        const repeated = await deps.store.transaction(roomId, { ...transaction, userId: session.userId })
        if (repeated !== undefined) return { event_id: repeated }
        if (type === 'm.room.redaction')
          return send(session, { ...(await redaction(deps, session, { roomId, content: body })), transaction })
        if (session.suspended) throw userSuspended()
        await checkRelation(deps, session, { roomId, type, content: body })
        return send(session, { roomId, type, content: body, transaction })
      },
    }),
    forUser({
      method: 'PUT',
      path: `${room}/redact/:eventId/:txnId`,
      body: v.object({ reason: reasonText }),
      handle: async ({ session, params, body }) => {
        const roomId = roomIdOf(params)
        const transaction = { deviceId: session.deviceId, endpoint: `redact/${eventIdOf(params)}`, id: transactionIdOf(params) }
        const repeated = await deps.store.transaction(roomId, { ...transaction, userId: session.userId })
        if (repeated !== undefined) return { event_id: repeated }
        const content = { ...(body.reason === undefined ? {} : { reason: body.reason }), redacts: eventIdOf(params) }
        return send(session, { ...(await redaction(deps, session, { roomId, content })), transaction })
      },
    }),
    forUser({
      method: 'PUT',
      path: [`${room}/state/:eventType/:stateKey`, `${room}/state/:eventType/`, `${room}/state/:eventType`],
      body: jsonObject,
      handle: async ({ session, params, body, keep }) => {
        const alongside = (eventId: EventId) => keep({ event_id: eventId })
        const request = { roomId: roomIdOf(params), type: eventTypeOf(params), stateKey: stateKeyOf(params), content: body, alongside }
        if (request.type === 'm.room.member') return { event_id: await setMembership(deps, session, request) }
        if (request.type === 'm.room.canonical_alias' && request.stateKey === '') await deps.directory.checkCanonical(request.roomId, body)
        return send(session, request)
      },
    }),
  ]
}

/** A redaction, whose target moves to where the room's version keeps it. Throws `M_FORBIDDEN`, `M_NOT_FOUND`. */
async function redaction(
  { store }: RoomSendingDeps,
  session: Session,
  { roomId, content }: { readonly roomId: RoomId; readonly content: JsonObject },
): Promise<Omit<LocalEvent, 'sender'>> {
  const { redacts, ...rest } = content
  if (typeof redacts !== 'string' || !isEventId(redacts)) throw badJson('redacts is not an event id')
  const [current, target] = await Promise.all([store.room(roomId), store.event(redacts)])
  if (!current || target?.event.roomId !== roomId) throw notFound('There is no such event in this room')
  if (target.event.sender !== session.userId) {
    if (session.suspended) throw userSuspended()
    const [create, levels] = await Promise.all([
      store.stateEvent(current.state, 'm.room.create', ''),
      store.stateEvent(current.state, 'm.room.power_levels', ''),
    ])
    const power = powerLevelsOf(current.rules, create, levels)
    if (power.user(session.userId) < power.redact) throw forbidden('You may not redact what others sent')
  }
  return { roomId, type: 'm.room.redaction', content: rest, redacts }
}

/** Refuses a reaction that was sent before, and a thread that would begin inside of another relation. */
async function checkRelation(
  { relations, store }: RoomSendingDeps,
  session: Session,
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
    ({ event }) => event.sender === session.userId && event.type === type && keyOf(event.content) === keyOf(content),
  )
  if (isDuplicate) throw new MatrixError(400, 'M_DUPLICATE_ANNOTATION', { message: 'You have reacted like this already' })
}

function keyOf(content: JsonObject): unknown {
  const relation = content['m.relates_to']
  return typeof relation === 'object' && relation !== null && !Array.isArray(relation) ? relation.key : undefined
}

/** A membership set as state goes the way of `/join`, `/invite` and their like: other servers may have to be asked. */
async function setMembership(
  { membership, sender, store }: RoomSendingDeps,
  session: Session,
  request: Omit<LocalEvent, 'sender'> & { readonly stateKey: string; readonly alongside: (eventId: EventId) => readonly Write[] },
): Promise<EventId> {
  const { roomId, stateKey: target, content, alongside } = request
  if (parseUserId(target) === undefined) throw badJson('The state key of a membership is a user id')
  const { membership: wanted, ...rest } = content
  const isOwn = target === session.userId
  const current = (await store.memberships(session.userId)).get(roomId)
  // A change of one's own profile in the room is an ordinary event.
  if (wanted === 'join' && isOwn && current?.membership === 'join') return sender.send({ ...request, sender: session.userId })
  const change = { sender: session.userId, target, roomId, content: rest, alongside }
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
