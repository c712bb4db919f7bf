import { OutgoingEvents } from '../federation/outgoing-events.ts'
import { OutgoingLog } from '../federation/outgoing-log.ts'
import { RoomServers } from '../federation/room-servers.ts'
import { FederationSender } from '../federation/sender.ts'
import { Slots } from '../federation/slots.ts'
import type { HomeserverPorts } from '../ports/homeserver-ports.ts'
import type { RoomStore } from '../rooms/room-store.ts'
import type { Stream } from '../streams/stream.ts'
import type { Remotes } from './remotes.ts'

/** Transactions to other servers under way at once. */
const transactionsAtOnce = 50

/** Sending to other homeservers. */
export function composeFederation(
  ports: HomeserverPorts & { readonly stream: Stream; readonly remotes: Remotes; readonly store: RoomStore },
) {
  const { store, remotes } = ports
  const { serverName } = ports.signer
  const roomServers = new RoomServers(store)
  const events = new OutgoingEvents({ store, roomServers, serverName })
  const log = new OutgoingLog({ ...ports, events })
  const sender = new FederationSender({
    ...ports,
    log,
    client: remotes.client,
    serverName,
    incarnation: ports.settings.incarnation,
    slots: new Slots(transactionsAtOnce),
  })
  return { sender, roomServers }
}

export type Federation = ReturnType<typeof composeFederation>
