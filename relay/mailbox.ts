import type { DatabaseSync } from 'node:sqlite'
import type { Mail } from '../src/http/relay-protocol.ts'
import type { Label } from '../src/spec/self-certifying.ts'

/** A transaction for a homeserver that sleeps. `uri` holds the transaction id. */
export interface Delivery extends Omit<Mail, 'id' | 'method'> {
  readonly owner: Label
}

/** `conflict`: the origin used the transaction id before, for something else. */
export type Verdict = 'kept' | 'full' | 'conflict'

/** Transactions for homeservers that sleep. */
export interface Mailbox {
  /** Resolves once the transaction is on the disk, or will not be kept. One that is there already is kept. */
  deposit(delivery: Delivery): Promise<Verdict>
  /** The oldest mail of `owner` after the one with this id: a batch of bounded size. */
  read(owner: Label, after: number): readonly Mail[]
  remove(owner: Label, ids: readonly number[]): void
  count(owner: Label): number
  /** All that is kept. */
  usage(): { readonly transactions: number; readonly bytes: number }
  /** Deletes what has waited for longer than it may. */
  expire(): void
  /** Resolves once all that was handed in is on the disk. */
  close(): Promise<void>
}

export interface MailboxLimits {
  readonly mailboxMegabytes: number
  readonly mailboxTransactions: number
  readonly mailboxTotalMegabytes: number
  readonly mailboxDays: number
}

const batchTransactions = 200
const batchBytes = 4 << 20
const megabyte = 1 << 20
const dayMs = 24 * 3600 * 1000
/** A row's cost beside its text. */
const rowBytes = 200

interface Waiting {
  readonly delivery: Delivery
  readonly resolve: (verdict: Verdict) => void
  readonly reject: (reason: unknown) => void
}

/** The mailbox in the relay's database. What comes in one turn of the event loop is written in one transaction. */
export function createMailbox(database: DatabaseSync, limits: MailboxLimits, now: () => number): Mailbox {
  const insert = database.prepare(
    'INSERT INTO mail (owner, origin, uri, destination, headers, body, bytes, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const same = database.prepare('SELECT body FROM mail WHERE owner = ? AND origin = ? AND uri = ?')
  const usage = database.prepare('SELECT count(*) AS transactions, coalesce(sum(bytes), 0) AS bytes FROM mail WHERE owner = ?')
  const batch = database.prepare(
    'SELECT id, origin, uri, destination, headers, body, bytes FROM mail WHERE owner = ? AND id > ? ORDER BY id LIMIT ?',
  )
  const removal = database.prepare('DELETE FROM mail WHERE owner = ? AND id = ? RETURNING bytes')
  const expiry = database.prepare('DELETE FROM mail WHERE received < ? RETURNING bytes')
  const all = database.prepare('SELECT count(*) AS transactions FROM mail')
  const total = database.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM mail')
  let totalBytes = Number(total.get()?.bytes)
  let waiting: Waiting[] = []
  let flushed = Promise.resolve()

  const keep = (delivery: Delivery): Verdict => {
    const { owner, origin, to, uri, headers, body } = delivery
    const before = same.get(owner, origin, uri)
    if (before !== undefined) return before.body === body ? 'kept' : 'conflict'
    const bytes = Buffer.byteLength(body) + Buffer.byteLength(uri) + rowBytes
    const used = usage.get(owner)
    const isFull =
      Number(used?.transactions) >= limits.mailboxTransactions ||
      Number(used?.bytes) + bytes > limits.mailboxMegabytes * megabyte ||
      totalBytes + bytes > limits.mailboxTotalMegabytes * megabyte
    if (isFull) return 'full'
    insert.run(owner, origin, uri, to, JSON.stringify(headers), body, bytes, now())
    totalBytes += bytes
    return 'kept'
  }

  const flush = (): void => {
    const taken = waiting
    waiting = []
    try {
      const verdicts = transaction(database, () => taken.map(({ delivery }) => keep(delivery)))
      for (const [index, verdict] of verdicts.entries()) taken[index]?.resolve(verdict)
    } catch (error) {
      totalBytes = Number(total.get()?.bytes)
      for (const { reject } of taken) reject(error)
    }
  }

  return {
    deposit: (delivery) =>
      new Promise((resolve, reject) => {
        waiting.push({ delivery, resolve, reject })
        if (waiting.length === 1) flushed = new Promise((done) => setImmediate(() => done(flush())))
      }),
    read: (owner, after) => {
      const mails: Mail[] = []
      let size = 0
      for (const row of batch.all(owner, after, batchTransactions)) {
        size += Number(row.bytes)
        if (size > batchBytes && mails.length > 0) break
        mails.push({
          id: Number(row.id),
          origin: String(row.origin),
          to: String(row.destination),
          method: 'PUT',
          uri: String(row.uri),
          headers: JSON.parse(String(row.headers)),
          body: String(row.body),
        })
      }
      return mails
    },
    remove: (owner, ids) => {
      const removed = transaction(database, () => ids.flatMap((id) => removal.all(owner, id)))
      for (const { bytes } of removed) totalBytes -= Number(bytes)
    },
    count: (owner) => Number(usage.get(owner)?.transactions),
    usage: () => ({ transactions: Number(all.get()?.transactions), bytes: totalBytes }),
    expire: () => {
      for (const { bytes } of expiry.all(now() - limits.mailboxDays * dayMs)) totalBytes -= Number(bytes)
    },
    close: () => flushed,
  }
}

function transaction<T>(database: DatabaseSync, run: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = run()
    database.exec('COMMIT')
    return result
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}
