import type { Edu } from '../spec/edu.ts'
import type { Pdu, ServerName } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { Position } from '../streams/stream.ts'

/** Server-Server API, "Transactions". */
export const mostPdus = 50
/** EDUs in a transaction (Server-Server API, "Transactions"). */
export const mostEdus = 100

/** What a transaction holds of the log and of the stored EDUs. Its id says so: repeated after a crash it is the same transaction. */
export interface TransactionRange {
  /** Everything up to here was acknowledged. */
  readonly after: Position
  /** Everything up to here is in this transaction or acknowledged. */
  readonly upTo: Position
  /** Position of the newest stored EDU in it; 0 for none. */
  readonly newestEdu: Position
}

export interface Transaction {
  readonly id: string
  readonly range: TransactionRange
  readonly pdus: readonly Pdu[]
  /** Positions of the rows to remove once it is acknowledged. */
  readonly storedEdus: readonly Position[]
  readonly edus: readonly Edu[]
}

/** The id of a transaction that holds something durable; unique as long as positions are. */
export function transactionIdOf(incarnation: number, { after, upTo, newestEdu }: TransactionRange): string {
  return `${incarnation}.${after}.${upTo}.${newestEdu}`
}

/** The range that an id names; `undefined` for any other id. */
export function rangeOf(transactionId: string): TransactionRange | undefined {
  const match = /^\d+\.(\d+)\.(\d+)\.(\d+)$/.exec(transactionId)
  return match ? { after: Number(match[1]), upTo: Number(match[2]), newestEdu: Number(match[3]) } : undefined
}

/** The body of `PUT /send`. */
export function transactionBody(transaction: Transaction, sent: { readonly origin: ServerName; readonly ts: number }): JsonObject {
  const edus = transaction.edus.map(({ edu_type, content }) => ({ edu_type, content }))
  return {
    origin: sent.origin,
    origin_server_ts: sent.ts,
    pdus: [...transaction.pdus],
    ...(edus.length > 0 ? { edus } : {}),
  }
}
