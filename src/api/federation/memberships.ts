import * as v from 'valibot'
import { authChain } from '../../federation/event-graph.ts'
import { outgoingPdu } from '../../federation/outgoing-events.ts'
import type { RoomServers } from '../../federation/room-servers.ts'
import type { ServerView } from '../../federation/server-view.ts'
import { type Endpoint, forServer } from '../../http/endpoint.ts'
import type { MemberLists } from '../../rooms/member-lists.ts'
import { strippedStateOf } from '../../rooms/membership-rules.ts'
import type { MembershipTemplate } from '../../rooms/remote.ts'
import type { EventRecord, RoomStore } from '../../rooms/room-store.ts'
import { forbidden } from '../../spec/errors.ts'
import { type EventId, type RoomId, type ServerName, splitStateKey, stateKeyOf, type UserId } from '../../spec/event.ts'
import { serverNameOf } from '../../spec/identifiers.ts'
import type { JsonObject, JsonValue } from '../../spec/json.ts'
import { supportedRoomVersions } from '../../spec/room-version.ts'
import type { StateTrie } from '../../spec/state-trie.ts'
import { summaryOf } from '../../sync/summary.ts'
import { anyObject, parameter, pduNestingLimit } from './inputs.ts'

type Kind = 'join' | 'leave' | 'knock'

export interface MembershipDeps {
  readonly membership: {
    template(
      kind: Kind,
      about: { readonly roomId: RoomId; readonly userId: UserId; readonly versions: readonly string[] },
    ): Promise<MembershipTemplate>
  }
  readonly receiver: {
    dealtWith(origin: ServerName, roomId: RoomId): Promise<void>
    receiveMembership(sent: {
      readonly origin: ServerName
      readonly roomId: RoomId
      readonly eventId: EventId
      readonly pdu: JsonValue
      readonly membership: string
    }): Promise<EventRecord>
  }
  readonly store: RoomStore
  readonly roomServers: RoomServers
  readonly memberLists: MemberLists
  readonly view: ServerView
}

const versionsQuery = v.looseObject({ ver: v.optional(v.array(v.string())) })

/** `make_join`, `send_join` and their likes (Server-Server API, "Joining Rooms", "Knocking upon a room", "Leaving Rooms"). */
export function membershipEndpoints(deps: MembershipDeps): Endpoint[] {
  return [
    make('join', deps),
    make('leave', deps),
    make('knock', deps),
    send('/_matrix/federation/v2/send_join/:roomId/:eventId', 'join', deps, (record, query) =>
      query.omit_members === 'true' ? shortJoinAnswer(record, deps) : joinAnswer(record, deps),
    ),
    send('/_matrix/federation/v1/send_join/:roomId/:eventId', 'join', deps, async (record) => [200, await joinAnswer(record, deps)]),
    send('/_matrix/federation/v2/send_leave/:roomId/:eventId', 'leave', deps, async () => ({})),
    send('/_matrix/federation/v1/send_leave/:roomId/:eventId', 'leave', deps, async () => [200, {}]),
    send('/_matrix/federation/v1/send_knock/:roomId/:eventId', 'knock', deps, (record) => knockAnswer(record, deps)),
  ]
}

function make(kind: Kind, deps: MembershipDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: `/_matrix/federation/v1/make_${kind}/:roomId/:userId`,
    query: versionsQuery,
    repeated: ['ver'],
    handle: async ({ server, params, query }) => {
      const roomId = parameter.roomId(params)
      const userId = parameter.userId(params)
      if (serverNameOf(userId) !== server) throw forbidden(`${userId} is not a user of ${server}`)
      await deps.view.room(server, roomId, kind === 'leave' ? 'leave' : 'takePart')
      // The departure of a user who now wants to come back may have come just before.
      await deps.receiver.dealtWith(server, roomId)
      // A leave event looks the same in all versions: its request does not name any.
      const versions = kind === 'leave' ? supportedRoomVersions() : (query.ver ?? ['1']).slice(0, 100)
      const { version, event } = await deps.membership.template(kind, { roomId, userId, versions })
      return { room_version: version, event }
    },
  })
}

const sendQuery = v.looseObject({ omit_members: v.optional(v.picklist(['true', 'false'])) })

type AnswerFor = (record: EventRecord, query: v.InferOutput<typeof sendQuery>) => Promise<JsonObject | JsonValue[]>

function send(path: string, membership: Kind, deps: MembershipDeps, answer: AnswerFor): Endpoint {
  return forServer({
    method: 'PUT',
    path,
    body: anyObject,
    query: sendQuery,
    nestingLimit: pduNestingLimit,
    handle: async ({ server, params, body, query }) => {
      const roomId = parameter.roomId(params)
      await deps.view.room(server, roomId, membership === 'leave' ? 'leave' : 'takePart')
      const eventId = parameter.eventId(params)
      const record = await deps.receiver.receiveMembership({ origin: server, roomId, eventId, pdu: body, membership })
      return answer(record, query)
    },
  })
}

/** The state before the join, with its auth chain and that of the join. */
async function joinAnswer(record: EventRecord, { store, roomServers }: MembershipDeps): Promise<JsonObject> {
  const before = await store.stateBefore(record)
  const state = await store.events(before.values())
  const chain = await authChain(store, [...state.keys(), record.event.eventId])
  return {
    event: outgoingPdu(record),
    state: [...state.values()].map(outgoingPdu),
    auth_chain: chain.map(outgoingPdu),
    members_omitted: false,
    servers_in_room: [...(await roomServers.at(record.event.roomId, before))],
  }
}

/**
 * The same without members, but for those that give a nameless room its name, and without events of the auth chain that are in
 * the state: the joining server asked for it (`omit_members`), and fills the rest in later.
 */
async function shortJoinAnswer(record: EventRecord, deps: MembershipDeps): Promise<JsonObject> {
  const { store, roomServers } = deps
  const { roomId } = record.event
  const before = await store.stateBefore(record)
  const others = [...before].flatMap(([key, eventId]) => (splitStateKey(key).type === 'm.room.member' ? [] : eventId))
  const state = await store.events([...others, ...(await heroesFor(record, before, deps))])
  const chain = await authChain(store, [...state.keys(), record.event.eventId])
  return {
    event: outgoingPdu(record),
    state: [...state.values()].map(outgoingPdu),
    auth_chain: chain.filter(({ event }) => !state.has(event.eventId)).map(outgoingPdu),
    members_omitted: true,
    servers_in_room: [...(await roomServers.at(roomId, before))],
  }
}

async function heroesFor({ event }: EventRecord, state: StateTrie, { memberLists }: MembershipDeps): Promise<EventId[]> {
  if (state.has(stateKeyOf('m.room.name', '')) || state.has(stateKeyOf('m.room.canonical_alias', ''))) return []
  const { heroes } = summaryOf(await memberLists.of(event.roomId, state), event.sender, false)
  return heroes.map(({ record }) => record.event.eventId)
}

async function knockAnswer({ event }: EventRecord, { store }: MembershipDeps): Promise<JsonObject> {
  const room = await store.room(event.roomId)
  const stripped = room ? await strippedStateOf(room, { store, members: [] }) : []
  return { knock_room_state: stripped.map(({ pdu }) => pdu) }
}
