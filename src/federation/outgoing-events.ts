import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import { type Pdu, type ServerName, stateKeyOf } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { redact } from '../spec/redaction.ts'
import { rulesOf } from '../spec/room-version.ts'
import type { RoomServers } from './room-servers.ts'

const nowhere: ReadonlySet<ServerName> = new Set()

/** Decides which servers an event of the log has to be sent to. */
export class OutgoingEvents {
  readonly #deps: { readonly store: RoomStore; readonly roomServers: RoomServers; readonly serverName: ServerName }

  constructor(deps: { readonly store: RoomStore; readonly roomServers: RoomServers; readonly serverName: ServerName }) {
    this.#deps = deps
  }

  /**
   * The servers in the room before the event, which thus includes whoever the event removes; and the server of a user whose
   * invite or knock it ends. Only for events that are ours to send.
   */
  async destinations(record: EventRecord): Promise<ReadonlySet<ServerName>> {
    if (!this.#isOursToSend(record)) return nowhere
    const { event } = record
    const before = await this.#deps.store.stateBefore(record)
    const servers = new Set(await this.#deps.roomServers.at(event.roomId, before))
    const ended = await this.#endedInvitation(record)
    if (ended !== undefined) servers.add(ended)
    servers.delete(this.#deps.serverName)
    // A membership event that was handed to us is known where it comes from.
    servers.delete(serverNameOf(event.sender) ?? '')
    return servers
  }

  #isOursToSend({ stored, event }: EventRecord): boolean {
    if (!stored.live || stored.status !== 'accepted') return false
    if (stored.distributedBy !== undefined) return stored.distributedBy === 'us'
    return serverNameOf(event.sender) === this.#deps.serverName
  }

  async #endedInvitation(record: EventRecord): Promise<ServerName | undefined> {
    const { type, stateKey, content } = record.event
    if (type !== 'm.room.member' || stateKey === undefined) return undefined
    if (content.membership !== 'leave' && content.membership !== 'ban') return undefined
    const state = await this.#deps.store.stateBefore(record)
    if (!state.has(stateKeyOf(type, stateKey))) return undefined
    const previous = await this.#deps.store.stateEvent(state, type, stateKey)
    const membership = previous?.content.membership
    return membership === 'invite' || membership === 'knock' ? serverNameOf(stateKey) : undefined
  }
}

/** The PDU as it goes out: without what a redaction took. */
export function outgoingPdu({ stored }: EventRecord): Pdu {
  const rules = stored.redactedBy === undefined ? undefined : rulesOf(stored.version)
  return rules ? redact(stored.pdu, rules) : stored.pdu
}
