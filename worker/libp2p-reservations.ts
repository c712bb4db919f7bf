import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { PeerId, Transport } from '@libp2p/interface'

type TransportFactory = ReturnType<typeof circuitRelayTransport>

/** What we use of the library's store of reservations, which it does not offer otherwise. */
interface ReservationStore {
  addRelay(peer: PeerId, type: 'configured'): Promise<unknown>
  hasReservation(peer: PeerId): boolean
  relayFilter: { add(item: Uint8Array): unknown; has(item: Uint8Array): boolean }
}

export interface Reservations {
  /** Give this to libp2p. */
  readonly transport: TransportFactory
  /** Asks a connected relay to take circuits for us, again if it must be. Rejects when it refuses. */
  reserve(relay: PeerId): Promise<void>
  has(relay: PeerId): boolean
}

/**
 * Circuit relay v2 with reservations that can be renewed at will: the library makes one when it starts to listen on a relay,
 * never again after the connection broke, and shuns a relay for good that was once down.
 */
export function createReservations(): Reservations {
  const factory = circuitRelayTransport()
  let store: ReservationStore | undefined
  return {
    transport: (components) => {
      const transport = factory(components)
      if (!hasReservations(transport)) throw new Error('@libp2p/circuit-relay-v2 keeps its reservations elsewhere now')
      store = transport.reservationStore
      store.relayFilter = { add: () => undefined, has: () => false }
      return transport
    },
    reserve: async (relay) => {
      if (store === undefined) throw new Error('libp2p has not started')
      await store.addRelay(relay, 'configured')
    },
    has: (relay) => store?.hasReservation(relay) ?? false,
  }
}

function hasReservations(transport: Transport): transport is Transport & { reservationStore: ReservationStore } {
  if (!('reservationStore' in transport) || typeof transport.reservationStore !== 'object' || transport.reservationStore === null)
    return false
  return ['addRelay', 'hasReservation', 'relayFilter'].every((name) => Reflect.has(Object(transport.reservationStore), name))
}
