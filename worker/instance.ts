import { put, removeRange, type Storage } from '../src/ports/storage.ts'
import type { Identity } from './identity.ts'
import { homeserverTables, identities, storedSettings, supersededBy } from './schema.ts'
import type { StoredSettings } from './stored-settings.ts'

/** What is stored about this homeserver as an instance. */
export interface Instance {
  readonly identity: Identity | undefined
  readonly settings: StoredSettings
  /** Whether a copy with a higher incarnation is known to run elsewhere. */
  readonly isSuperseded: boolean
  /** Whether any table of the homeserver has a row. */
  readonly holdsData: boolean
}

/** Reads what is stored. */
export async function readInstance(storage: Storage): Promise<Instance> {
  return storage.read([identities, storedSettings, supersededBy, ...homeserverTables], async (tx) => {
    const [identity, settings, superseded, ...firstRows] = await Promise.all([
      tx.get(identities, 'self'),
      tx.get(storedSettings, 'self'),
      tx.get(supersededBy, 'self'),
      ...homeserverTables.map((table) => tx.range(table, { limit: 1 })),
    ])
    return {
      identity,
      settings: settings ?? {},
      isSuperseded: identity !== undefined && superseded !== undefined && superseded > identity.incarnation,
      holdsData: firstRows.some((rows) => rows.length > 0),
    }
  })
}

/** Stores an identity; with `fresh`, all that an earlier one left goes in the same step. */
export function storeIdentity(storage: Storage, identity: Identity, { fresh }: { readonly fresh: boolean }): Promise<void> {
  const emptied = fresh ? homeserverTables.map((table) => removeRange(table, {})) : []
  return storage.commit([...emptied, put(identities, 'self', identity)], 'strict')
}
