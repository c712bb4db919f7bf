import * as v from 'valibot'
import { type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import type { DelayedEvents } from '../../rooms/delayed-events.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import type { LocalEvent } from '../../rooms/send.ts'
import { userSuspended } from '../../spec/errors.ts'
import type { EventId } from '../../spec/event.ts'
import { eventIdOf, eventTypeOf, numberText, reasonText, roomIdOf, stateKeyOf, transactionIdOf } from './room-fields.ts'
import type { SendAsUser } from './user-sending.ts'

export interface RoomSendingDeps {
  readonly sendAsUser: SendAsUser
  readonly delayedEvents: DelayedEvents
  readonly store: RoomStore
  /** Told that a user does something. */
  readonly presence: { active(userId: string): Promise<void> }
}

const room = '/_matrix/client/v3/rooms/:roomId'
/** How an event is sent beside the ordinary: later (MSC4140), or to be delivered to everyone for a while (MSC4354). */
const manner = v.object({
  'org.matrix.msc4140.delay': v.optional(numberText),
  'org.matrix.msc4354.sticky_duration_ms': v.optional(numberText),
})

/** Sending events (Client-Server API, "Sending events to a room", "Redactions"). */
export function roomSendingEndpoints(deps: RoomSendingDeps): Endpoint[] {
  const { sendAsUser, delayedEvents, presence, store } = deps
  const send = async (session: Session, event: Omit<LocalEvent, 'sender'>) => {
    // Presence is a courtesy: no message waits for it, nor fails with it.
    void presence.active(session.userId).catch(() => undefined)
    return { event_id: await sendAsUser(session, event) }
  }
  return [
    forUser({
      method: 'PUT',
      path: `${room}/send/:eventType/:txnId`,
      query: manner,
      body: jsonObject,
      handle: async ({ session, params, query, body }) => {
        const roomId = roomIdOf(params)
        const type = eventTypeOf(params)
        const transaction = { deviceId: session.deviceId, endpoint: `send/${type}`, id: transactionIdOf(params) }
        const { 'org.matrix.msc4140.delay': delay } = query
        const event = { roomId, type, content: body, transaction, ...stickiness(query) }
        if (delay !== undefined) {
          // Redactions of one's own are let through when their time has come.
          if (session.suspended && type !== 'm.room.redaction') throw userSuspended()
          return { delay_id: await delayedEvents.add(session, event, { delayMs: Number(delay) }) }
        }
        const repeated = await store.transaction(roomId, { ...transaction, userId: session.userId })
        return repeated === undefined ? send(session, event) : { event_id: repeated }
      },
    }),
    forUser({
      method: 'PUT',
      path: `${room}/redact/:eventId/:txnId`,
      body: v.object({ reason: reasonText }),
      handle: async ({ session, params, body }) => {
        const roomId = roomIdOf(params)
        const transaction = { deviceId: session.deviceId, endpoint: `redact/${eventIdOf(params)}`, id: transactionIdOf(params) }
        const repeated = await store.transaction(roomId, { ...transaction, userId: session.userId })
        if (repeated !== undefined) return { event_id: repeated }
        const content = { ...(body.reason === undefined ? {} : { reason: body.reason }), redacts: eventIdOf(params) }
        return send(session, { roomId, type: 'm.room.redaction', content, transaction })
      },
    }),
    forUser({
      method: 'PUT',
      path: [`${room}/state/:eventType/:stateKey`, `${room}/state/:eventType/`, `${room}/state/:eventType`],
      query: manner,
      body: jsonObject,
      handle: async ({ session, params, query, body, keep }) => {
        const event = {
          ...{ roomId: roomIdOf(params), type: eventTypeOf(params), stateKey: stateKeyOf(params), content: body },
          ...stickiness(query),
        }
        const { 'org.matrix.msc4140.delay': delay } = query
        if (delay !== undefined) return { delay_id: await delayedEvents.add(session, event, { delayMs: Number(delay), keep }) }
        const alongside = (eventId: EventId) => keep({ event_id: eventId })
        return send(session, { ...event, alongside })
      },
    }),
  ]
}

function stickiness({ 'org.matrix.msc4354.sticky_duration_ms': durationMs }: v.InferOutput<typeof manner>): { stickyMs?: number } {
  return durationMs === undefined ? {} : { stickyMs: Number(durationMs) }
}
