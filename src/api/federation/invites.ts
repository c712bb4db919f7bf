import * as v from 'valibot'
import type { ServerView } from '../../federation/server-view.ts'
import { type Endpoint, forServer } from '../../http/endpoint.ts'
import type { ReceivedInvite } from '../../rooms/received-invites.ts'
import type { EventVerifier } from '../../rooms/remote.ts'
import { forbidden, incompatibleRoomVersion, invalidParam, missingParam, notFound } from '../../spec/errors.ts'
import type { Pdu, RoomId, ServerName, UserId } from '../../spec/event.ts'
import { parseEvent } from '../../spec/event-format.ts'
import { serverNameOf } from '../../spec/identifiers.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import { type RoomVersionRules, rulesOf } from '../../spec/room-version.ts'
import { anyObject, parameter, pduNestingLimit } from './inputs.ts'

export interface InviteDeps {
  readonly invites: { receive(invite: ReceivedInvite): Promise<Pdu> }
  readonly verifier: EventVerifier
  readonly view: ServerView
  readonly serverName: ServerName
  /** Whether there is such an account here. */
  readonly hasUser: (userId: UserId) => Promise<boolean>
}

const roomState = v.pipe(v.array(anyObject), v.maxLength(100))
const invite = v.looseObject({
  room_version: v.string(),
  event: anyObject,
  invite_room_state: v.optional(roomState),
})
const oldInvite = v.custom<JsonObject>(
  (body) =>
    isObject(body) && v.is(v.looseObject({ unsigned: v.optional(v.looseObject({ invite_room_state: v.optional(roomState) })) }), body),
  'not an invitation',
)

/** Rooms whose invitations come by version 1 of the request: those of versions 1 and 2, whose events look the same. */
const versionOfOld = '1'

interface Invitation {
  readonly version: string
  readonly pdu: Pdu
  readonly strippedState: readonly JsonObject[]
}

/** `PUT /invite` (Server-Server API, "Inviting to a room"). */
export function inviteEndpoints(deps: InviteDeps): Endpoint[] {
  return [
    forServer({
      method: 'PUT',
      path: '/_matrix/federation/v2/invite/:roomId/:eventId',
      body: invite,
      nestingLimit: pduNestingLimit,
      handle: async ({ server, params, body }) => {
        const invitation = { version: body.room_version, pdu: body.event, strippedState: body.invite_room_state ?? [] }
        return { event: await receive(deps, { server, params, invitation }) }
      },
    }),
    forServer({
      method: 'PUT',
      path: '/_matrix/federation/v1/invite/:roomId/:eventId',
      body: oldInvite,
      nestingLimit: pduNestingLimit,
      handle: async ({ server, params, body }) => {
        const invitation = { version: versionOfOld, pdu: body, strippedState: oldStrippedState(body) }
        return [200, { event: await receive(deps, { server, params, invitation }) }]
      },
    }),
  ]
}

async function receive(
  deps: InviteDeps,
  sent: { readonly server: ServerName; readonly params: Readonly<Record<string, string>>; readonly invitation: Invitation },
): Promise<Pdu> {
  const { server, params, invitation } = sent
  const { version, pdu, strippedState } = invitation
  const roomId = parameter.roomId(params)
  const eventId = parameter.eventId(params)
  const rules = rulesOf(version)
  if (!rules) throw incompatibleRoomVersion(version)
  if (await deps.view.isBanned(server, roomId)) throw forbidden(`${server} is banned from this room`)
  const target = pdu.state_key
  if (typeof target !== 'string') throw invalidParam('The event invites nobody')
  if (serverNameOf(target) === deps.serverName && !(await deps.hasUser(target))) throw notFound('The invited user does not exist')
  if (rules.roomId === 'create-event-hash') await assertRoomState({ roomId, rules, strippedState }, deps.verifier)
  return deps.invites.receive({ origin: server, roomId, eventId, version, pdu, strippedState })
}

function oldStrippedState({ unsigned }: JsonObject): JsonObject[] {
  const state = isObject(unsigned) ? unsigned.invite_room_state : undefined
  return Array.isArray(state) ? state.filter(isObject) : []
}

/** From room version 12 on the state that comes with an invite is made of whole events, which prove what room it is. */
async function assertRoomState(
  given: { readonly roomId: RoomId; readonly rules: RoomVersionRules; readonly strippedState: readonly JsonObject[] },
  verifier: EventVerifier,
): Promise<void> {
  const { roomId, rules, strippedState } = given
  const events = strippedState.map((pdu) => {
    const parsed = parseEvent(pdu, rules)
    if ('error' in parsed) throw invalidParam(`An entry of invite_room_state is malformed: ${parsed.error}`)
    if (parsed.event.roomId !== roomId) throw invalidParam('An entry of invite_room_state is of another room')
    return parsed.event
  })
  if (!events.some(({ type, stateKey }) => type === 'm.room.create' && stateKey === '')) {
    throw missingParam('invite_room_state lacks the create event')
  }
  const faults = await verifier.verify(events, rules)
  const fault = faults.find((each) => each !== undefined)
  if (fault !== undefined) throw invalidParam(`An entry of invite_room_state is not validly signed: ${fault.reason}`)
}
