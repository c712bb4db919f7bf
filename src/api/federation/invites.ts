import * as v from 'valibot'
import type { ServerView } from '../../federation/server-view.ts'
import { type Endpoint, forServer } from '../../http/endpoint.ts'
import type { EventVerifier } from '../../rooms/remote.ts'
import { forbidden, incompatibleRoomVersion, invalidParam, missingParam, notFound } from '../../spec/errors.ts'
import type { EventId, Pdu, RoomId, ServerName, UserId } from '../../spec/event.ts'
import { parseEvent } from '../../spec/event-format.ts'
import type { JsonObject } from '../../spec/json.ts'
import { type RoomVersionRules, rulesOf } from '../../spec/room-version.ts'
import { anyObject, parameter, pduNestingLimit } from './inputs.ts'

export interface InviteDeps {
  readonly membership: {
    receiveInvite(invite: {
      readonly origin: ServerName
      readonly roomId: RoomId
      readonly eventId: EventId
      readonly version: string
      readonly pdu: Pdu
      readonly strippedState: readonly JsonObject[]
    }): Promise<Pdu>
  }
  readonly verifier: EventVerifier
  readonly view: ServerView
  /** Whether there is such an account here. */
  readonly hasUser: (userId: UserId) => Promise<boolean>
}

const invite = v.looseObject({
  room_version: v.string(),
  event: anyObject,
  invite_room_state: v.optional(v.pipe(v.array(anyObject), v.maxLength(100))),
})

/** `PUT /invite` of version 2; version 1 was for rooms of versions 1 and 2 (Server-Server API, "Inviting to a room"). */
export function inviteEndpoints(deps: InviteDeps): Endpoint[] {
  return [
    forServer({
      method: 'PUT',
      path: '/_matrix/federation/v2/invite/:roomId/:eventId',
      body: invite,
      bodyLimit: 8 << 20,
      nestingLimit: pduNestingLimit,
      handle: async ({ server, params, body }) => {
        const roomId = parameter.roomId(params)
        const eventId = parameter.eventId(params)
        const rules = rulesOf(body.room_version)
        if (!rules) throw incompatibleRoomVersion(body.room_version)
        if (await deps.view.isBanned(server, roomId)) throw forbidden(`${server} is banned from this room`)
        const target = body.event.state_key
        if (typeof target !== 'string' || !(await deps.hasUser(target))) throw notFound('The invited user does not exist')
        const strippedState = body.invite_room_state ?? []
        if (rules.roomId === 'create-event-hash') await assertRoomState({ roomId, rules, strippedState }, deps.verifier)
        const pdu = await deps.membership.receiveInvite({
          origin: server,
          roomId,
          eventId,
          version: body.room_version,
          pdu: body.event,
          strippedState,
        })
        return { event: pdu }
      },
    }),
  ]
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
