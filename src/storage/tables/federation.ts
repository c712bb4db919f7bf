import { table } from '../../ports/storage.ts'
import type { Edu } from '../../spec/edu.ts'
import type { ServerName } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'

/** Where sending to a server stands: everything up to `position` was acknowledged by it. */
export interface StoredDestination {
  readonly position: number
  /** Consecutive failures, and when to try again (ms since the epoch). */
  readonly failures: number
  readonly retryAt: number
  /** The transaction under way: its id is kept so that a repeat is recognised. */
  readonly transactionId?: string
}

export const destinations = table<ServerName, StoredDestination>('destinations')
/** [destination, position] → EDU that must survive a restart: written in the commit that caused it. */
export const outgoingEdus = table<readonly [ServerName, number], Edu>('outgoing_edus')
/** [origin, transaction id] → the response given. */
export const receivedTransactions = table<readonly [ServerName, string], { readonly response: JsonObject; readonly receivedTs: number }>(
  'received_transactions',
)
/** [server, key id] → its verify key, and until when it may be trusted. */
export const serverKeys = table<readonly [ServerName, string], StoredServerKey>('server_keys')
/** Server → its newest server-key document: what a notary passes on. */
export const serverKeyDocuments = table<ServerName, { readonly document: JsonObject; readonly fetchedTs: number }>('server_key_documents')

export interface StoredServerKey {
  /** Unpadded base64 of the 32 bytes. */
  readonly key: string
  readonly validUntilTs: number
  /** For an old key: when it stopped being used. */
  readonly expiredTs?: number
}

export const federationTables = { destinations, outgoingEdus, receivedTransactions, serverKeys, serverKeyDocuments }
