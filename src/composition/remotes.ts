import { FederationClient } from '../federation/client.ts'
import { createEventVerifier } from '../federation/event-verifier.ts'
import { KeyRing } from '../federation/key-ring.ts'
import { OwnKeys } from '../federation/own-keys.ts'
import { RelayWeb } from '../federation/relay-web.ts'
import { RemoteDirectory } from '../federation/remote-directory.ts'
import { RemoteRooms } from '../federation/remote-rooms.ts'
import { RemoteUsers } from '../federation/remote-users.ts'
import { createSignEvent } from '../federation/sign.ts'
import { SignatureChecker } from '../federation/signature-checker.ts'
import type { HomeserverPorts } from '../ports/homeserver-ports.ts'

/** What we ask of other homeservers, and how we believe them: needs nothing of our own rooms and users. */
export function composeRemotes(ports: HomeserverPorts) {
  const ownKeys = new OwnKeys(ports)
  const client = new FederationClient(ports)
  const keyRing = new KeyRing({ ...ports, ownKeys, client, notaries: [] })
  const checker = new SignatureChecker({ ...ports, keyRing })
  return {
    ownKeys,
    client,
    keyRing,
    checker,
    verifier: createEventVerifier(checker),
    signEvent: createSignEvent(ports.signer),
    rooms: new RemoteRooms(client),
    users: new RemoteUsers(client),
    directory: new RemoteDirectory(client),
    web: new RelayWeb(ports),
  }
}

export type Remotes = ReturnType<typeof composeRemotes>
