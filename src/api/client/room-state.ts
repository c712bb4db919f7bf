import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { currentContent } from '../../rooms/current-content.ts'
import type { EventRecord } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import { stateKeyOf as keyOf } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { RoomViews } from '../../sync/room-views.ts'
import { stateAt } from '../../sync/state-at.ts'
import type { Tokens } from '../../sync/token.ts'
import { eventTypeOf, roomIdOf, stateKeyOf, tokenText } from './room-fields.ts'

const room = '/_matrix/client/v3/rooms/:roomId'
const membership = v.optional(v.picklist(['join', 'invite', 'knock', 'leave', 'ban']))

/** Reading a room's state (Client-Server API, "Getting events for a room"). */
export function roomStateEndpoints(deps: { readonly views: RoomViews; readonly tokens: Tokens }): Endpoint[] {
  return [...stateEndpoints(deps), ...memberEndpoints(deps)]
}

function stateEndpoints({ views }: { readonly views: RoomViews }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: `${room}/state`,
      handle: async ({ session, params }) => {
        const view = await views.open(session, roomIdOf(params))
        return views.writeState(view, await views.stateFor(session, view))
      },
    }),
    forUser({
      method: 'GET',
      path: [`${room}/state/:eventType/:stateKey`, `${room}/state/:eventType/`, `${room}/state/:eventType`],
      query: v.object({ format: v.optional(v.picklist(['content', 'event'])) }),
      handle: async ({ session, params, query }) => {
        const view = await views.open(session, roomIdOf(params))
        const state = await views.stateFor(session, view)
        const eventId = state.get(keyOf(eventTypeOf(params), stateKeyOf(params)))
        const record = eventId === undefined ? undefined : await views.store.event(eventId)
        if (!record) throw notFound('The room has no such state')
        if (query.format !== 'event') return currentContent(record)
        const [event] = await views.events.write([record], view.audience)
        return event ?? {}
      },
    }),
  ]
}

function memberEndpoints({ views, tokens }: { readonly views: RoomViews; readonly tokens: Tokens }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: `${room}/members`,
      query: v.object({ at: v.optional(tokenText), membership, not_membership: membership }),
      handle: async ({ session, params, query }) => {
        const view = await views.open(session, roomIdOf(params))
        const own = await views.stateFor(session, view)
        const place = query.at === undefined ? undefined : tokens.parsePage(query.at)
        const state = place && (await views.isBeforeEnd(session, view, place)) ? await stateAt(view, place, { views, tokens }) : own
        if (state !== own) await views.requireVisible(session, view, state)
        const isWanted = memberTest(query)
        return { chunk: await views.writeState(view, state, isWanted) }
      },
    }),
    forUser({
      method: 'GET',
      path: `${room}/joined_members`,
      handle: async ({ session, params }) => {
        const { room } = await views.openJoined(session, roomIdOf(params))
        const members = await views.members.of(room.roomId, room.state)
        const joined = [...members].filter(([, member]) => member.membership === 'join')
        return { joined: Object.fromEntries(joined.map(([userId, { record }]) => [userId, profileOf(record)])) }
      },
    }),
  ]
}

/** With both parameters either may hold. */
function memberTest(query: {
  readonly membership?: string | undefined
  readonly not_membership?: string | undefined
}): (record: EventRecord) => boolean {
  const { membership: wanted, not_membership: unwanted } = query
  return ({ event }) => {
    if (event.type !== 'm.room.member') return false
    const { membership: actual } = event.content
    if (wanted === undefined && unwanted === undefined) return true
    return (wanted !== undefined && actual === wanted) || (unwanted !== undefined && actual !== unwanted)
  }
}

function profileOf(record: EventRecord): JsonObject {
  const { displayname: name, avatar_url: avatar } = currentContent(record)
  return {
    ...(typeof name === 'string' ? { display_name: name } : {}),
    ...(typeof avatar === 'string' ? { avatar_url: avatar } : {}),
  }
}
