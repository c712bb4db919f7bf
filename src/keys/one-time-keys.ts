import { last, put, type ReadTx, remove, type Storage, type Write } from '../ports/storage.ts'
import { canonicalJson } from '../spec/canonical-json.ts'
import { invalidParam } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import type { JsonObject, JsonValue } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import { fallbackKeys, oneTimeKeys, type StoredFallbackKey, type StoredOneTimeKey } from '../storage/tables/keys.ts'
import { ChangeMarks } from '../streams/change-marks.ts'
import type { Position, Stream } from '../streams/stream.ts'

/** One-time keys a device may have waiting. */
const keyLimit = 1000
const most = Number.MAX_SAFE_INTEGER

type OneTimeKeyRow = readonly [UserId, string, string, number, number]

/** A key asked for: user, device, algorithm. */
interface Wanted {
  readonly userId: UserId
  readonly deviceId: string
  readonly algorithm: string
}

interface Claimed extends Wanted {
  readonly key: StoredOneTimeKey
  readonly write: Write | undefined
  /** Names the row of a one-time key. */
  readonly row?: string
}

/** Claims of one device's keys of one algorithm that are under way together. */
interface Claims {
  count: number
  /** Rows handed out among them: kept until the last has ended, since any may have read them before they were removed. */
  readonly taken: Set<string>
}

interface Stock {
  readonly counts: Readonly<Record<string, number>>
  readonly unusedFallbackTypes: readonly string[]
}

/** Keys for a device's first messages: each handed out once, in the order of their upload (Client-Server API, "One-time and fallback keys"). */
export class OneTimeKeys {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #marks: ChangeMarks
  readonly #stocks = new Lru<string, Stock>(1000)
  /** Claims under way. */
  readonly #claims = new Map<string, Claims>()

  constructor(deps: { storage: Storage; stream: Stream }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#marks = new ChangeMarks(deps.stream.current)
  }

  /**
   * Takes a device's new one-time and fallback keys, by `algorithm:id`. Throws `M_INVALID_PARAM` for a name without an
   * algorithm, a key that differs from an earlier one of its name, and for too many.
   */
  async upload(userId: UserId, deviceId: string, keys: { oneTime: JsonObject; fallback: JsonObject }): Promise<void> {
    const existing = await this.#keysOf(userId, deviceId)
    const known = new Map(existing.map(([, { keyId, key }]) => [keyId, canonicalJson(key)]))
    const added = Object.entries(keys.oneTime).filter(([keyId, key]) => isNew(known, keyId, key))
    if (known.size + added.length > keyLimit) throw invalidParam(`A device may have ${keyLimit} one-time keys`)
    const fallbacks = Object.entries(keys.fallback)
    if (new Set(fallbacks.map(([keyId]) => algorithmOf(keyId))).size < fallbacks.length)
      throw invalidParam('Several fallback keys of one algorithm')
    const named = added.map(([keyId, key]) => ({ algorithm: algorithmOf(keyId), stored: { keyId, key } }))
    if (named.length + fallbacks.length === 0) return
    await this.#commit([{ userId, deviceId }], (position) => [
      ...named.map(({ algorithm, stored }, index) => put(oneTimeKeys, [userId, deviceId, algorithm, position, index], stored)),
      ...fallbacks.map(([keyId, key]) => put(fallbackKeys, [userId, deviceId, algorithmOf(keyId)], { keyId, key, used: false })),
    ])
  }

  /** For each algorithm, how many keys wait to be claimed. */
  async counts(userId: UserId, deviceId: string): Promise<Record<string, number>> {
    return { ...(await this.#stock(userId, deviceId)).counts }
  }

  /** Algorithms whose fallback key was not handed out yet. */
  async unusedFallbackTypes(userId: UserId, deviceId: string): Promise<string[]> {
    return [...(await this.#stock(userId, deviceId)).unusedFallbackTypes]
  }

  /** Whether the two above may have changed after `since`; `false` is certain. */
  changedAfter(userId: UserId, deviceId: string, since: Position): boolean {
    return this.#marks.changedAfter(stockKey(userId, deviceId), since)
  }

  /** A device is gone, and its keys with it. */
  forget(userId: UserId, deviceId: string): void {
    this.#marks.note(stockKey(userId, deviceId), this.#stream.current + 1)
    this.#stocks.delete(stockKey(userId, deviceId))
  }

  /**
   * Hands out one key for each device asked for; fallback keys where there is no other. Answers as `/user/keys/claim`:
   * devices without a key are missing.
   */
  async claimLocal(wanted: Readonly<Record<UserId, Readonly<Record<string, string>>>>): Promise<JsonObject> {
    const all = Object.entries(wanted).flatMap(([userId, devices]) =>
      Object.entries(devices).map(([deviceId, algorithm]) => ({ userId, deviceId, algorithm })),
    )
    for (const each of all) this.#begin(each)
    const claimed: Claimed[] = []
    try {
      for (const each of all) {
        const claim = await this.#take(each)
        if (claim) claimed.push(claim)
      }
      const writes = claimed.flatMap(({ write }) => (write ? [write] : []))
      if (writes.length > 0) await this.#commit(claimed, () => writes)
      return { one_time_keys: answerOf(claimed) }
    } catch (failure) {
      for (const { row, ...each } of claimed) if (row !== undefined) this.#claims.get(claimsKey(each))?.taken.delete(row)
      throw failure
    } finally {
      for (const each of all) this.#end(each)
    }
  }

  #begin(wanted: Wanted): void {
    const claims = this.#claims.get(claimsKey(wanted)) ?? { count: 0, taken: new Set() }
    claims.count++
    this.#claims.set(claimsKey(wanted), claims)
  }

  #end(wanted: Wanted): void {
    const claims = this.#claims.get(claimsKey(wanted))
    if (claims && --claims.count === 0) this.#claims.delete(claimsKey(wanted))
  }

  /** Finds a key that no other claim under way has taken, and takes it. */
  async #take(wanted: Wanted): Promise<Claimed | undefined> {
    const { userId, deviceId, algorithm } = wanted
    const taken = this.#claims.get(claimsKey(wanted))?.taken ?? new Set()
    // One row more than were taken is sure to hold a free one, if there is any.
    const limit = taken.size + 1
    const { rows, fallback } = await this.#storage.read([oneTimeKeys, fallbackKeys], async (tx) => ({
      rows: await tx.range(oneTimeKeys, {
        from: [userId, deviceId, algorithm, 0, 0],
        to: [userId, deviceId, algorithm, most, most],
        limit,
      }),
      fallback: await tx.get(fallbackKeys, [userId, deviceId, algorithm]),
    }))
    for (const [key, stored] of rows) {
      const row = JSON.stringify(key)
      if (taken.has(row)) continue
      taken.add(row)
      return { ...wanted, key: stored, write: remove(oneTimeKeys, key), row }
    }
    if (rows.length === limit) return this.#take(wanted)
    return fallback && { ...wanted, key: fallback, write: usedFallback(wanted, fallback) }
  }

  async #commit(owners: readonly { userId: UserId; deviceId: string }[], writes: (first: Position) => readonly Write[]): Promise<void> {
    const published = (position: Position) => {
      for (const { userId, deviceId } of owners) {
        this.#marks.note(stockKey(userId, deviceId), position)
        this.#stocks.delete(stockKey(userId, deviceId))
      }
    }
    await this.#stream.commit(1, writes, { published })
  }

  async #stock(userId: UserId, deviceId: string): Promise<Stock> {
    const key = stockKey(userId, deviceId)
    const known = this.#stocks.get(key)
    if (known) return known
    const began = this.#stream.current
    const stock = await this.#storage.read([oneTimeKeys, fallbackKeys], async (tx) => {
      const rows = await keyRows(tx, userId, deviceId)
      const fallbacks = await tx.range(fallbackKeys, { from: [userId, deviceId, ''], to: [userId, deviceId, last] })
      const counts = [...Map.groupBy(rows, ([[, , algorithm]]) => algorithm)].map(([algorithm, { length }]) => [algorithm, length])
      const unused = fallbacks.flatMap(([[, , algorithm], { used }]) => (used ? [] : [algorithm]))
      return { counts: Object.fromEntries(counts), unusedFallbackTypes: unused }
    })
    if (!this.#marks.changedAfter(key, began)) this.#stocks.set(key, stock)
    return stock
  }

  #keysOf(userId: UserId, deviceId: string): Promise<[OneTimeKeyRow, StoredOneTimeKey][]> {
    return this.#storage.read([oneTimeKeys], (tx) => keyRows(tx, userId, deviceId))
  }
}

function keyRows(tx: ReadTx, userId: UserId, deviceId: string): Promise<[OneTimeKeyRow, StoredOneTimeKey][]> {
  return tx.range(oneTimeKeys, { from: [userId, deviceId, '', 0, 0], to: [userId, deviceId, last, most, most] })
}

function isNew(known: ReadonlyMap<string, string>, keyId: string, key: JsonValue): boolean {
  algorithmOf(keyId)
  const before = known.get(keyId)
  if (before !== undefined && before !== canonicalJson(key)) throw invalidParam(`There is another one-time key ${keyId}`)
  return before === undefined
}

function algorithmOf(keyId: string): string {
  const colon = keyId.indexOf(':')
  if (colon < 1 || keyId.length > 255) throw invalidParam('A key is not named as algorithm:id')
  return keyId.slice(0, colon)
}

function usedFallback({ userId, deviceId, algorithm }: Wanted, fallback: StoredFallbackKey): Write | undefined {
  return fallback.used ? undefined : put(fallbackKeys, [userId, deviceId, algorithm], { ...fallback, used: true })
}

function answerOf(claimed: readonly Claimed[]): JsonObject {
  return Object.fromEntries(
    [...Map.groupBy(claimed, ({ userId }) => userId)].map(([userId, ofUser]) => [
      userId,
      Object.fromEntries(ofUser.map(({ deviceId, key }) => [deviceId, Object.fromEntries([[key.keyId, key.key]])])),
    ]),
  )
}

function claimsKey({ userId, deviceId, algorithm }: Wanted): string {
  return JSON.stringify([userId, deviceId, algorithm])
}

function stockKey(userId: UserId, deviceId: string): string {
  return JSON.stringify([userId, deviceId])
}
