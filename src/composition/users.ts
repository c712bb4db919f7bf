import type { HomeserverPorts } from '../ports/homeserver-ports.ts'
import type { RoomMembers } from '../ports/room-members.ts'
import type { Stream } from '../streams/stream.ts'
import { AccountData } from '../users/account-data.ts'
import { Accounts } from '../users/accounts.ts'
import { Devices } from '../users/devices.ts'
import { Filters } from '../users/filters.ts'
import { InteractiveAuth } from '../users/interactive-auth.ts'
import { OpenIdTokens } from '../users/openid-tokens.ts'
import { Presence } from '../users/presence.ts'
import { Profiles } from '../users/profiles.ts'
import { impliedAccountData, PushRules } from '../users/push-rules.ts'
import { Pushers } from '../users/pushers.ts'
import { ReadMarkers } from '../users/read-markers.ts'
import { Receipts } from '../users/receipts.ts'
import { RegistrationTokens } from '../users/registration-tokens.ts'
import { Sessions } from '../users/sessions.ts'
import { SingleUseSecrets } from '../users/single-use.ts'
import { Tags } from '../users/tags.ts'
import { ThreadSubscriptions } from '../users/thread-subscriptions.ts'
import { Tokens } from '../users/tokens.ts'
import { Typing } from '../users/typing.ts'
import type { Federation } from './federation.ts'
import type { Keys } from './keys.ts'
import type { Remotes } from './remotes.ts'

/** Accounts, sessions and what belongs to users rather than to rooms. */
export async function composeUsers(
  ports: HomeserverPorts & {
    readonly stream: Stream
    readonly remotes: Remotes
    readonly federation: Federation
    readonly keys: Keys
    readonly members: RoomMembers
  },
) {
  const { storage, clock, random, remotes, federation, keys } = ports
  const { serverName } = ports.signer
  const tokens = new Tokens({ storage, clock, random })
  const pushers = new Pushers(ports)
  const withDevices = { ...ports, tokens, pushers, deviceChanges: keys.deviceChanges }
  const devices = new Devices(withDevices)
  const accounts = new Accounts({
    storage,
    hasher: ports.passwordHasher,
    clock,
    random,
    serverName,
    standingChanged: () => tokens.forgetStandings(),
  })
  const accountData = new AccountData({ ...ports, implied: impliedAccountData })
  const pushRules = new PushRules({ accountData })
  const shared = { ...ports, serverName, sendEphemeral: federation.sender.sendEphemeral }
  return {
    accounts,
    accountData,
    devices,
    filters: new Filters({ storage }),
    interactiveAuth: new InteractiveAuth({ clock, random, accounts }),
    openIdTokens: new OpenIdTokens({ storage, clock, random }),
    presence: await Presence.open(shared),
    profiles: new Profiles({ storage, stream: ports.stream, serverName, remote: remotes.users }),
    pushRules,
    pushers,
    readMarkers: new ReadMarkers({ ...ports, accountData }),
    receipts: new Receipts(shared),
    registrationTokens: new RegistrationTokens({ storage, clock, random }),
    sessions: new Sessions({ ...withDevices, devices }),
    singleUse: new SingleUseSecrets({ storage, clock, random }),
    tags: new Tags({ accountData }),
    threadSubscriptions: new ThreadSubscriptions({ ...ports, pushRules }),
    tokens,
    typing: new Typing(shared),
  }
}

export type Users = Awaited<ReturnType<typeof composeUsers>>
