import { put } from '../ports/storage.ts'
import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonValue } from '../spec/json.ts'
import { rulesOf } from '../spec/room-version.ts'
import { memberships, type StoredMembership } from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import { receivePdus } from './incoming.ts'
import type { EventVerifier } from './remote.ts'
import type { RoomStore } from './room-store.ts'

/**
 * Takes the end of invitations to rooms that we are not in, and the refusal of knocks on them. The rules of the room cannot be
 * asked: users of the server that invited, or through which the user knocked, are believed, and no others; whoever brings it, an
 * end is of the very invitation that it cites, so that an old one ends no new invitation.
 */
export class Withdrawals {
  readonly #deps: {
    readonly store: RoomStore
    readonly stream: Stream
    readonly verifier: EventVerifier
    readonly serverName: ServerName
  }

  constructor(deps: {
    readonly store: RoomStore
    readonly stream: Stream
    readonly verifier: EventVerifier
    readonly serverName: ServerName
  }) {
    this.#deps = deps
  }

  /** Looks through the PDUs of a transaction for what ends an invitation; passes over all else. */
  async receive(pdus: readonly JsonValue[]): Promise<void> {
    for (const pdu of pdus) {
      const ending = endingOf(pdu)
      if (ending && serverNameOf(ending.userId) === this.#deps.serverName) await this.#end(pdu, ending)
    }
  }

  async #end(pdu: JsonValue, { userId, roomId }: { userId: UserId; roomId: RoomId }): Promise<void> {
    const { store, verifier } = this.#deps
    const stored = (await store.memberships(userId)).get(roomId)
    const rules = rulesOf(stored?.outOfBand?.version ?? '')
    const isOpen = stored?.membership === 'invite' || stored?.membership === 'knock'
    if (!rules || !isOpen || !stored.outOfBand) return
    const [received] = await receivePdus([pdu], { roomId, rules }, verifier)
    if (!received || 'error' in received) return
    const { eventId, sender, content, authEvents, pdu: ended } = received.event
    if (serverNameOf(sender) !== stored.outOfBand.via || !authEvents.includes(stored.eventId)) return
    const membership = content.membership === 'ban' ? 'ban' : 'leave'
    const outOfBand = { ...stored.outOfBand, pdu: ended, strippedState: [] }
    await this.#remember(userId, roomId, { membership, eventId, position: 0, sender, outOfBand })
  }

  async #remember(userId: UserId, roomId: RoomId, membership: StoredMembership): Promise<void> {
    const { stream, store } = this.#deps
    const at = (position: number) => ({ ...membership, position })
    await stream.commit(1, (position) => [put(memberships, [userId, roomId], at(position))], {
      published: (position) => store.publish({ memberships: [[userId, roomId, at(position)]] }),
    })
  }
}

function endingOf(pdu: JsonValue): { readonly userId: UserId; readonly roomId: RoomId } | undefined {
  if (!isObject(pdu) || pdu.type !== 'm.room.member' || !isObject(pdu.content)) return undefined
  const { state_key: userId, room_id: roomId, sender } = pdu
  const { membership } = pdu.content
  if (typeof userId !== 'string' || typeof roomId !== 'string' || sender === userId) return undefined
  return membership === 'leave' || membership === 'ban' ? { userId, roomId } : undefined
}
