import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { Storage } from '../ports/storage.ts'
import type { Devices } from '../users/devices.ts'
import { OAuthClients } from '../users/oauth/clients.ts'
import { CrossSigningResets } from '../users/oauth/cross-signing-resets.ts'
import { DeviceGrants } from '../users/oauth/device-grants.ts'
import { OAuthGrants } from '../users/oauth/grants.ts'
import type { Sessions } from '../users/sessions.ts'
import type { SingleUseSecrets } from '../users/single-use.ts'
import type { Tokens } from '../users/tokens.ts'

/** Logging in by OAuth 2.0. */
export function composeOAuth(parts: {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly singleUse: SingleUseSecrets
  readonly sessions: Sessions
  readonly tokens: Tokens
  readonly devices: Devices
}) {
  const clients = new OAuthClients(parts)
  const grants = new OAuthGrants({ ...parts, clients })
  return { clients, grants, deviceGrants: new DeviceGrants({ ...parts, grants }), resets: new CrossSigningResets(parts) }
}
