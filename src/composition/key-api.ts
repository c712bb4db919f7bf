import { dehydratedDeviceEndpoints } from '../api/client/dehydrated-devices.ts'
import { keyBackupEndpoints } from '../api/client/key-backup.ts'
import { keysEndpoints } from '../api/client/keys.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { CrossSigning } from '../keys/cross-signing.ts'
import { KeyBackup } from '../keys/key-backup.ts'
import { KeyRequests } from '../keys/key-requests.ts'
import { KeySignatures } from '../keys/key-signatures.ts'
import { CrossSigningResets } from '../users/oauth/cross-signing-resets.ts'
import type { ClientParts } from './client-parts.ts'

/** What clients ask of a server that encrypt. */
export function keyApi(parts: ClientParts): Endpoint[] {
  const { remotes, sync } = parts
  const crossSigning = new CrossSigning(parts)
  return [
    ...keysEndpoints({
      ...parts,
      crossSigning,
      keySignatures: new KeySignatures({ ...parts, crossSigning }),
      keyRequests: new KeyRequests({ ...parts, remoteKeys: remotes.users }),
      resets: new CrossSigningResets(parts),
      deviceListsBetween: async (userId, from, to) => {
        const { changed, left } = await sync.deviceListsBetween(userId, from, to)
        return { changed: [...changed], left: [...left] }
      },
    }),
    ...keyBackupEndpoints({ keyBackup: new KeyBackup(parts) }),
    ...dehydratedDeviceEndpoints(parts),
  ]
}
