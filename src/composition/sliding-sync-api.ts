import { slidingSyncEndpoints } from '../api/client/sliding-sync.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { SlidingSync } from '../sync/sliding/sliding-sync.ts'
import type { ClientParts } from './client-parts.ts'

/** Sliding sync, over what `/sync` stands on. */
export function slidingSyncApi(parts: ClientParts): Endpoint[] {
  const { users, keys, sync } = parts
  return slidingSyncEndpoints({ sliding: new SlidingSync({ ...parts, ...sync.shared, sources: { ...users, ...keys } }) })
}
