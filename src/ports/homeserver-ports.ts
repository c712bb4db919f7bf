import type { BlobStore } from './blob-store.ts'
import type { Clock } from './clock.ts'
import type { FederationTransport } from './federation-transport.ts'
import type { Logger } from './logger.ts'
import type { PasswordHasher } from './password-hasher.ts'
import type { Random } from './random.ts'
import type { Settings } from './settings.ts'
import type { Signer, Verifier } from './signer.ts'
import type { Storage } from './storage.ts'
import type { Thumbnailer } from './thumbnailer.ts'

/** All that a homeserver needs of the platform it runs on. */
export interface HomeserverPorts {
  readonly storage: Storage
  readonly blobs: BlobStore
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly verifier: Verifier
  readonly transport: FederationTransport
  readonly logger: Logger
  readonly passwordHasher: PasswordHasher
  readonly settings: Settings
  /** Absent where the platform has no image codec: then originals are served. */
  readonly thumbnailer?: Thumbnailer
}
