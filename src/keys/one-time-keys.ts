import { last, put, type ReadTx, remove, type Storage, type Write } from '../ports/storage.ts'
import { canonicalJson } from '../spec/canonical-json.ts'
import { invalidParam } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import { claimedKeys, fallbackKeys, oneTimeKeys, type StoredOneTimeKey } from '../storage/tables/keys.ts'
import { ChangeMarks } from '../streams/change-marks.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import { TakenKeys } from './taken-keys.ts'

/** One-time keys a device may have waiting. */
const keyLimit = 1000
const most = Number.MAX_SAFE_INTEGER
/** Counted even where there are none: clients take a missing count for an unchanged one, and would never upload more. */
const noKeys = { signed_curve25519: 0 }

type OneTimeKeyRow = readonly [UserId, string, string, number, number]

/** A key asked for: user, device, algorithm. */
interface Wanted {
  readonly userId: UserId
  readonly deviceId: string
  readonly algorithm: string
}

interface Claimed extends Wanted {
  readonly key: StoredOneTimeKey
  /** Where a one-time key is kept; absent for a fallback key. */
  readonly row?: OneTimeKeyRow
}

/** One-time and fallback keys by `algorithm:id`. */
interface DeviceKeyStock {
  readonly oneTime: JsonObject
  readonly fallback: JsonObject
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
  /** A device's uploads, and what claims make of its fallback keys, one after the other. */
  readonly #turns = new Turns()
  readonly #taken = new TakenKeys()

  constructor(deps: { storage: Storage; stream: Stream }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#marks = new ChangeMarks(deps.stream.current)
  }

  /**
   * Takes a device's new one-time and fallback keys, by `algorithm:id`; those it has or had already are passed over. Throws
   * `M_INVALID_PARAM` for a name without an algorithm, what is no key, a key that differs from a waiting one of its name, and
   * for too many.
   */
  upload(userId: UserId, deviceId: string, keys: DeviceKeyStock): Promise<void> {
    const [oneTime, fallback] = [namedKeys(keys.oneTime), fallbackKeysOf(keys)]
    return this.#turns.take(stockKey(userId, deviceId), async () => {
      const added = await this.#unknown(userId, deviceId, oneTime)
      const fallbacks = await this.#unknownFallbacks(userId, deviceId, fallback)
      if (added.length + fallbacks.length === 0) return
      await this.#commit([{ userId, deviceId }], (position) => stockWrites({ userId, deviceId, position }, added, fallbacks))
    })
  }

  /** The keys of a device that had none, to be committed with it: see {@link upload}, whose errors it throws. */
  firstOf(userId: UserId, deviceId: string, keys: DeviceKeyStock): (position: Position) => Write[] {
    const [oneTime, fallback] = [namedKeys(keys.oneTime), fallbackKeysOf(keys)]
    if (oneTime.length > keyLimit) throw tooManyKeys()
    return (position) => stockWrites({ userId, deviceId, position }, oneTime, fallback)
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
   * Hands out one key for each device asked for; fallback keys where there is no other. Resolves with the keys by user and
   * device: devices without a key are missing. What `alongside` makes of that is written in the same commit.
   */
  async claimLocal(
    wanted: Readonly<Record<UserId, Readonly<Record<string, string>>>>,
    alongside: (keys: JsonObject) => readonly Write[] = () => [],
  ): Promise<JsonObject> {
    const all = Object.entries(wanted).flatMap(([userId, devices]) =>
      Object.entries(devices).map(([deviceId, algorithm]) => ({ userId, deviceId, algorithm })),
    )
    const stocks = all.map(claimsKey)
    this.#taken.begin(stocks)
    const claimed: Claimed[] = []
    try {
      for (const each of all) {
        const claim = (await this.#take(each)) ?? (await this.#takeFallback(each))
        if (claim) claimed.push(claim)
      }
      const keys = answerOf(claimed)
      const writes = [...claimed.flatMap(claimWrites), ...alongside(keys)]
      if (writes.length > 0) await this.#commit(claimed, () => writes)
      return keys
    } catch (failure) {
      for (const { row, ...each } of claimed) if (row) this.#taken.giveBack(claimsKey(each), JSON.stringify(row))
      throw failure
    } finally {
      this.#taken.end(stocks)
    }
  }

  /** Finds a one-time key that no other claim under way has taken, and takes it. */
  async #take(wanted: Wanted): Promise<Claimed | undefined> {
    const { userId, deviceId, algorithm } = wanted
    // One row more than were taken is sure to hold a free one, if there is any.
    const limit = this.#taken.count(claimsKey(wanted)) + 1
    const range = { from: [userId, deviceId, algorithm, 0, 0], to: [userId, deviceId, algorithm, most, most], limit } as const
    const rows = await this.#storage.read([oneTimeKeys], (tx) => tx.range(oneTimeKeys, range))
    for (const [row, key] of rows) if (this.#taken.take(claimsKey(wanted), JSON.stringify(row))) return { ...wanted, key, row }
    return rows.length === limit ? this.#take(wanted) : undefined
  }

  /** Hands out the fallback key, which is marked as used before anybody has it. */
  #takeFallback(wanted: Wanted): Promise<Claimed | undefined> {
    const { userId, deviceId, algorithm } = wanted
    const row = [userId, deviceId, algorithm] as const
    return this.#turns.take(stockKey(userId, deviceId), async () => {
      const key = await this.#storage.read([fallbackKeys], (tx) => tx.get(fallbackKeys, row))
      if (key && !key.used) await this.#commit([wanted], () => [put(fallbackKeys, row, { ...key, used: true })])
      return key && { ...wanted, key }
    })
  }

  /** Those of the keys that the device did not upload before. */
  async #unknown(userId: UserId, deviceId: string, keys: readonly NamedKey[]): Promise<NamedKey[]> {
    if (keys.length === 0) return []
    const names = keys.map(({ stored }) => [userId, deviceId, stored.keyId] as const)
    const { waiting, claimed } = await this.#storage.read([oneTimeKeys, claimedKeys], async (tx) => ({
      waiting: await keyRows(tx, userId, deviceId),
      claimed: await tx.getMany(claimedKeys, names),
    }))
    const known = new Map(waiting.map(([, { keyId, key }]) => [keyId, canonicalJson(key)]))
    const added = keys.filter(({ stored: { keyId, key } }, index) => {
      const [text, before, handedOut] = [canonicalJson(key), known.get(keyId), claimed[index]]
      if (before !== undefined && before !== text) throw invalidParam(`There is another one-time key ${keyId}`)
      return before === undefined && (handedOut === undefined || canonicalJson(handedOut) !== text)
    })
    if (known.size + added.length > keyLimit) throw tooManyKeys()
    return added
  }

  /** Those of the fallback keys that the device does not have: one that was used stays used, however often it is uploaded. */
  async #unknownFallbacks(userId: UserId, deviceId: string, keys: readonly NamedKey[]): Promise<NamedKey[]> {
    const rows = keys.map(({ algorithm }) => [userId, deviceId, algorithm] as const)
    const existing = await this.#storage.read([fallbackKeys], (tx) => tx.getMany(fallbackKeys, rows))
    return keys.filter(({ stored: { keyId, key } }, index) => {
      const before = existing[index]
      return before?.keyId !== keyId || canonicalJson(before.key) !== canonicalJson(key)
    })
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
      return { counts: { ...noKeys, ...Object.fromEntries(counts) }, unusedFallbackTypes: unused }
    })
    if (!this.#marks.changedAfter(key, began)) this.#stocks.set(key, stock)
    return stock
  }
}

function keyRows(tx: ReadTx, userId: UserId, deviceId: string): Promise<[OneTimeKeyRow, StoredOneTimeKey][]> {
  return tx.range(oneTimeKeys, { from: [userId, deviceId, '', 0, 0], to: [userId, deviceId, last, most, most] })
}

interface NamedKey {
  readonly algorithm: string
  readonly stored: StoredOneTimeKey
}

function namedKeys(keys: JsonObject): NamedKey[] {
  return Object.entries(keys).map(([keyId, key]) => {
    const colon = keyId.indexOf(':')
    if (colon < 1 || keyId.length > 255) throw invalidParam('A key is not named as algorithm:id')
    if (!isKey(key)) throw invalidParam(`The key ${keyId} is neither a string nor an object`)
    return { algorithm: keyId.slice(0, colon), stored: { keyId, key } }
  })
}

function fallbackKeysOf({ fallback }: DeviceKeyStock): NamedKey[] {
  const named = namedKeys(fallback)
  const isRepeated = new Set(named.map(({ algorithm }) => algorithm)).size < named.length
  if (isRepeated) throw invalidParam('Several fallback keys of one algorithm')
  return named
}

function tooManyKeys(): Error {
  return invalidParam(`A device may have ${keyLimit} one-time keys`)
}

function stockWrites(
  { userId, deviceId, position }: { readonly userId: UserId; readonly deviceId: string; readonly position: Position },
  oneTime: readonly NamedKey[],
  fallback: readonly NamedKey[],
): Write[] {
  return [
    ...oneTime.map(({ algorithm, stored }, index) => put(oneTimeKeys, [userId, deviceId, algorithm, position, index], stored)),
    ...fallback.map(({ algorithm, stored }) => put(fallbackKeys, [userId, deviceId, algorithm], { ...stored, used: false })),
  ]
}

function isKey(key: JsonValue): boolean {
  return typeof key === 'string' || isObject(key)
}

function claimWrites({ userId, deviceId, key, row }: Claimed): Write[] {
  return row ? [remove(oneTimeKeys, row), put(claimedKeys, [userId, deviceId, key.keyId], key.key)] : []
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
