import type { HostStatus } from '../homeserver/control.ts'
import { routeNames } from '../homeserver/routes.ts'
import { shortServer } from '../interface/short-name.ts'

const relayStates: Readonly<Record<string, string>> = { admitted: 'connected' }

/** The relays and homeservers that this one is connected with. */
export function ConnectionList({ status }: { status: HostStatus }) {
  const { relays = [], peers = [] } = status.connections ?? {}
  const waiting = status.queues.reduce((sum, { queued }) => sum + queued, 0)
  return (
    <>
      <ul className="connections">
        {relays.map(({ address, state, domain }) => (
          <li key={address}>{`Relay ${domain ?? hostOf(address)}: ${relayStates[state] ?? state}`}</li>
        ))}
        {peers.map(({ label, direct }) => (
          <li key={label}>{`${shortServer(label)}: ${routeNames[direct ? 'direct' : 'relayed']}`}</li>
        ))}
        {relays.length + peers.length === 0 && <li>Nobody: this homeserver keeps to itself</li>}
      </ul>
      {waiting > 0 && <p>{`${waiting} events wait for homeservers that cannot be reached`}</p>}
    </>
  )
}

/** Of `/dns4/relay.example/tcp/443/wss/p2p/…` the host. */
export function hostOf(address: string): string {
  return address.split('/')[2] ?? address
}
