import type { Verifier } from '../ports/signer.ts'
import { last, put, remove, type Storage, type Write } from '../ports/storage.ts'
import { canonicalJson } from '../spec/canonical-json.ts'
import { forbidden, invalidParam, MatrixError, missingParam } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { crossSigningKeys } from '../storage/tables/keys.ts'
import { devices } from '../storage/tables/users.ts'
import type { Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import type { DeviceLists } from './device-lists.ts'
import { isSignedBy, publicKeyOf } from './signed-keys.ts'

const usages = ['master', 'self_signing', 'user_signing'] as const

type Usage = (typeof usages)[number]

/** A user's cross-signing keys, or those of an upload. */
export type CrossSigningKeys = Partial<Record<Usage, JsonObject>>

/** Users' cross-signing keys (Client-Server API, "Cross-signing"). */
export class CrossSigning {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #verifier: Verifier
  readonly #deviceLists: DeviceLists
  readonly #turns = new Turns()

  constructor(deps: { storage: Storage; stream: Stream; verifier: Verifier; deviceLists: DeviceLists }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#verifier = deps.verifier
    this.#deviceLists = deps.deviceLists
  }

  /** A local user's keys as uploaded. */
  async of(userId: UserId): Promise<CrossSigningKeys> {
    const rows = await this.#storage.read([crossSigningKeys], (tx) =>
      tx.range(crossSigningKeys, { from: [userId, ''], to: [userId, last] }),
    )
    return Object.fromEntries(rows.map(([[, usage], key]) => [usage, key]))
  }

  /**
   * Publishes keys; where that replaces keys or adds to them, only once `authenticate` resolves. Throws `M_INVALID_PARAM` for
   * malformed ones, `M_MISSING_PARAM` where there is no master key, `M_INVALID_SIGNATURE` for one that the master key did not
   * sign, `M_FORBIDDEN` for one named like a device.
   */
  upload(userId: UserId, uploaded: CrossSigningKeys, authenticate: () => Promise<unknown>): Promise<void> {
    return this.#turns.take(userId, async () => {
      const existing = await this.of(userId)
      const master = uploaded.master ?? existing.master
      if (!master) throw missingParam('There is no master key')
      for (const usage of usages) checkKey(userId, usage, uploaded[usage])
      await this.#checkSignatures(userId, master, uploaded)
      await this.#checkDeviceIds(userId, uploaded)
      if (isReplacement(existing, uploaded)) await authenticate()
      const changed = usages.filter((usage) => uploaded[usage] && canonicalJson(uploaded[usage]) !== canonicalJson(existing[usage] ?? null))
      if (changed.length === 0) return
      const isNewMaster = publicKeyOf(master) !== (existing.master && publicKeyOf(existing.master))
      await this.#store(userId, uploaded, isNewMaster ? {} : existing)
    })
  }

  /** Keys that neither come now nor were `kept` are removed: the old master key signed them. */
  async #store(userId: UserId, uploaded: CrossSigningKeys, kept: CrossSigningKeys): Promise<void> {
    const [masterKey, selfSigningKey] = [uploaded.master ?? kept.master, uploaded.self_signing ?? kept.self_signing]
    const change = await this.#deviceLists.prepareSigningKeys(userId, {
      ...(masterKey === undefined ? {} : { masterKey }),
      ...(selfSigningKey === undefined ? {} : { selfSigningKey }),
    })
    const { published } = change
    const writes = usages.flatMap((usage): Write[] => {
      const key = uploaded[usage]
      if (key) return [put(crossSigningKeys, [userId, usage], key)]
      return kept[usage] ? [] : [remove(crossSigningKeys, [userId, usage])]
    })
    await this.#stream.commit(change.count, (first) => [...writes, ...change.writes(first)], { published })
  }

  async #checkSignatures(userId: UserId, master: JsonObject, uploaded: CrossSigningKeys): Promise<void> {
    const publicKey = publicKeyOf(master) ?? ''
    for (const key of [uploaded.self_signing, uploaded.user_signing]) {
      if (key && !(await isSignedBy(this.#verifier, key, { userId, keyId: `ed25519:${publicKey}`, publicKey }))) {
        throw new MatrixError(400, 'M_INVALID_SIGNATURE', { message: 'The key is not signed by the master key' })
      }
    }
  }

  async #checkDeviceIds(userId: UserId, uploaded: CrossSigningKeys): Promise<void> {
    const keys = usages.flatMap((usage) => (uploaded[usage] ? [publicKeyOf(uploaded[usage]) ?? ''] : []))
    const found = await this.#storage.read([devices], (tx) =>
      tx.getMany(
        devices,
        keys.map((key) => [userId, key] as const),
      ),
    )
    if (found.some((device) => device !== undefined)) throw forbidden('A key is the same as the id of one of your devices')
  }
}

/** Whether an upload brings keys that are not those there already, where there are some. */
function isReplacement(existing: CrossSigningKeys, uploaded: CrossSigningKeys): boolean {
  if (!existing.master) return false
  return usages.some((usage) => {
    const [before, now] = [existing[usage], uploaded[usage]]
    return now !== undefined && (!before || publicKeyOf(before) !== publicKeyOf(now))
  })
}

function checkKey(userId: UserId, usage: Usage, key: JsonObject | undefined): void {
  if (!key) return
  if (key.user_id !== userId) throw invalidParam(`The ${usage} key is another user's`)
  if (!Array.isArray(key.usage) || !key.usage.includes(usage)) throw invalidParam(`The ${usage} key has another usage`)
  if (publicKeyOf(key) === undefined) throw invalidParam(`The ${usage} key has not exactly one Ed25519 key named by itself`)
  if (key.signatures !== undefined && !isObject(key.signatures)) throw invalidParam(`The signatures of the ${usage} key are malformed`)
}
