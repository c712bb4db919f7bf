import { put } from '../ports/storage.ts'
import { forbidden, invalidParam, inviteBlocked, unsupportedRoomVersion } from '../spec/errors.ts'
import type { EventId, Pdu, RoomEvent, RoomId, ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import { rulesOf } from '../spec/room-version.ts'
import { memberships } from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import { receivePdus } from './incoming.ts'
import { localMembers } from './membership-rules.ts'
import type { EventVerifier, SignEvent } from './remote.ts'
import type { RoomStore } from './room-store.ts'

/** Invitations by one server that a user may have open. */
const mostOpenInvites = 100

interface ReceivedInvitesDeps {
  readonly store: RoomStore
  readonly stream: Stream
  readonly verifier: EventVerifier
  readonly signEvent: SignEvent
  readonly serverName: ServerName
  /** Whether a local user takes no invitations. */
  readonly blocksInvites: (userId: UserId) => Promise<boolean>
}

/** An invitation as another server sends it. */
export interface ReceivedInvite {
  readonly origin: ServerName
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly version: string
  readonly pdu: Pdu
  readonly strippedState: readonly JsonObject[]
}

/** Invitations of our users by other servers (Server-Server API, "Inviting to a room"). */
export class ReceivedInvites {
  readonly #deps: ReceivedInvitesDeps

  constructor(deps: ReceivedInvitesDeps) {
    this.#deps = deps
  }

  /**
   * Verifies an invitation, signs it, and keeps it until it is answered, unless the room is here. Throws
   * `M_UNSUPPORTED_ROOM_VERSION`, `M_INVALID_PARAM` for an event that is not what it says, `M_INVITE_BLOCKED`, and `M_FORBIDDEN`
   * where that server has too many invitations open.
   */
  async receive(invite: ReceivedInvite): Promise<Pdu> {
    const { store, serverName, signEvent, blocksInvites } = this.#deps
    const rules = rulesOf(invite.version)
    if (!rules) throw unsupportedRoomVersion(`Room version ${invite.version} is not supported`)
    const room = await store.room(invite.roomId)
    if (room && room.rules !== rules) throw invalidParam(`The room has version ${room.rules.version}`)
    const [received] = await receivePdus([invite.pdu], { roomId: invite.roomId, rules }, this.#deps.verifier)
    if (!received || 'error' in received) throw invalidParam(received?.error ?? 'The event is missing')
    const { event } = received
    const target = event.stateKey ?? ''
    const isInvite = event.type === 'm.room.member' && event.content.membership === 'invite' && event.eventId === invite.eventId
    const isBySender = serverNameOf(event.sender) === invite.origin
    if (!isInvite || !isBySender) throw invalidParam('The event is not the invitation that the request names')
    if (serverNameOf(target) !== serverName) throw invalidParam('The invited user is not of this server')
    if (await blocksInvites(target)) throw inviteBlocked()
    const signed = await signEvent(event.pdu, rules)
    const isResident = room !== undefined && (await localMembers(room, this.#deps)).length > 0
    if (!isResident) await this.#keep(invite, event, signed)
    return signed
  }

  async #keep(invite: ReceivedInvite, event: RoomEvent, signed: Pdu): Promise<void> {
    const { store, stream } = this.#deps
    const { origin, roomId, version, strippedState } = invite
    const { eventId, sender, stateKey: target = '' } = event
    const open = [...(await store.memberships(target))].filter(
      ([otherId, { membership, outOfBand }]) => otherId !== roomId && membership === 'invite' && outOfBand?.via === origin,
    )
    if (open.length >= mostOpenInvites) throw forbidden('This user has too many invitations of this server open')
    const outOfBand = { version, pdu: signed, strippedState, via: origin }
    const at = (position: number) => ({ membership: 'invite' as const, eventId, position, sender, outOfBand })
    await stream.commit(1, (position) => [put(memberships, [target, roomId], at(position))], {
      published: (position) => store.publish({ memberships: [[target, roomId, at(position)]] }),
    })
  }
}
