import type { Verifier } from '../ports/signer.ts'
import { put, type Storage, type Write } from '../ports/storage.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { deviceKeys, keySignatures, remoteDevices } from '../storage/tables/keys.ts'
import type { Stream } from '../streams/stream.ts'
import type { CrossSigning, CrossSigningKeys } from './cross-signing.ts'
import type { DeviceLists, PreparedChange } from './device-lists.ts'
import { isSameKey, isSignedBy, type KeySignature, publicKeyOf, type SigningKey, signaturesBy, withSignatures } from './signed-keys.ts'

/** How many signed keys one upload may bring. */
const uploadLimit = 1000

/** Signatures on one key that were found valid. */
interface Accepted {
  readonly userId: UserId
  /** Device id or public key. */
  readonly signedId: string
  readonly key: JsonObject
  readonly isDevice: boolean
  readonly signatures: readonly KeySignature[]
}

/** Signatures that users put on their own keys and on those of others (Client-Server API, `/keys/signatures/upload`). */
export class KeySignatures {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #verifier: Verifier
  readonly #serverName: ServerName
  readonly #deviceLists: DeviceLists
  readonly #crossSigning: CrossSigning

  constructor(deps: {
    storage: Storage
    stream: Stream
    verifier: Verifier
    serverName: ServerName
    deviceLists: DeviceLists
    crossSigning: CrossSigning
  }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#verifier = deps.verifier
    this.#serverName = deps.serverName
    this.#deviceLists = deps.deviceLists
    this.#crossSigning = deps.crossSigning
  }

  /** Takes signed keys, by user and by device id or public key. Resolves with what failed, in the same shape. */
  async upload(signer: UserId, uploaded: JsonObject): Promise<JsonObject> {
    const accepted: Accepted[] = []
    const failures = new Map<UserId, Map<string, JsonObject>>()
    const own = await this.#crossSigning.of(signer)
    let count = 0
    for (const [userId, keys] of Object.entries(uploaded)) {
      for (const [signedId, key] of Object.entries(isObject(keys) ? keys : {})) {
        const result =
          ++count > uploadLimit
            ? failure('M_TOO_LARGE', 'Too many keys at once')
            : await this.#check({ signer, own }, { userId, signedId, key })
        if ('signatures' in result) accepted.push(result)
        else failures.set(userId, (failures.get(userId) ?? new Map()).set(signedId, result.error))
      }
    }
    if (accepted.length > 0) await this.#store(signer, accepted)
    return Object.fromEntries([...failures].map(([userId, ofUser]) => [userId, Object.fromEntries(ofUser)]))
  }

  async #check(
    by: { signer: UserId; own: CrossSigningKeys },
    { userId, signedId, key }: { userId: UserId; signedId: string; key: JsonValue },
  ): Promise<Accepted | { error: JsonObject }> {
    if (!isObject(key)) return failure('M_BAD_JSON', 'Not an object')
    const target = userId === by.signer ? await this.#ownTarget(by, signedId) : await this.#masterKeyOf(userId)
    if (!target || (!target.isDevice && publicKeyOf(target.key) !== signedId)) return failure('M_NOT_FOUND', 'There is no such key')
    if (!isSameKey(target.key, key)) return failure('M_INVALID_PARAM', 'This is not the key that was uploaded')
    const signingKeys = await this.#signingKeys(by, { userId, isDevice: target.isDevice }, key)
    const signatures: KeySignature[] = []
    for (const signingKey of signingKeys) {
      if (await isSignedBy(this.#verifier, key, signingKey))
        signatures.push(...signaturesBy(key, by.signer).filter(({ keyId }) => keyId === signingKey.keyId))
    }
    if (signatures.length === 0) return failure('M_INVALID_SIGNATURE', 'There is no valid signature by a key of yours that may sign this')
    return { userId, signedId, key: target.key, isDevice: target.isDevice, signatures }
  }

  /** A key of the signer's own: a device, or the master key. */
  async #ownTarget(
    { signer, own }: { signer: UserId; own: CrossSigningKeys },
    signedId: string,
  ): Promise<{ key: JsonObject; isDevice: boolean } | undefined> {
    if (own.master && publicKeyOf(own.master) === signedId) return { key: own.master, isDevice: false }
    const key = await this.#storage.read([deviceKeys], (tx) => tx.get(deviceKeys, [signer, signedId]))
    return key && { key, isDevice: true }
  }

  async #masterKeyOf(userId: UserId): Promise<{ key: JsonObject; isDevice: boolean } | undefined> {
    const key =
      serverNameOf(userId) === this.#serverName
        ? (await this.#crossSigning.of(userId)).master
        : (await this.#storage.read([remoteDevices], (tx) => tx.get(remoteDevices, userId)))?.masterKey
    return key && { key, isDevice: false }
  }

  /** Which keys of the signer may sign it: self-signing keys devices, devices the own master key, user-signing keys others. */
  async #signingKeys(
    { signer, own }: { signer: UserId; own: CrossSigningKeys },
    target: { userId: UserId; isDevice: boolean },
    key: JsonObject,
  ): Promise<SigningKey[]> {
    const crossSigningKey = target.userId !== signer ? own.user_signing : target.isDevice ? own.self_signing : undefined
    const publicKey = crossSigningKey && publicKeyOf(crossSigningKey)
    if (publicKey !== undefined) return [{ userId: signer, keyId: `ed25519:${publicKey}`, publicKey }]
    if (target.userId !== signer || target.isDevice) return []
    const deviceIds = signaturesBy(key, signer).flatMap(({ keyId }) =>
      keyId.startsWith('ed25519:') ? [keyId.slice('ed25519:'.length)] : [],
    )
    const found = await this.#storage.read([deviceKeys], (tx) =>
      tx.getMany(
        deviceKeys,
        deviceIds.map((deviceId) => [signer, deviceId] as const),
      ),
    )
    return deviceIds.flatMap((deviceId, index) => {
      const keys = found[index]?.keys
      const devicePublicKey = isObject(keys) ? keys[`ed25519:${deviceId}`] : undefined
      return typeof devicePublicKey === 'string' ? [{ userId: signer, keyId: `ed25519:${deviceId}`, publicKey: devicePublicKey }] : []
    })
  }

  async #store(signer: UserId, accepted: readonly Accepted[]): Promise<void> {
    const changes = await this.#changes(signer, accepted)
    const offsets = changes.map((_, index) => changes.slice(0, index).reduce((sum, { count }) => sum + count, 0))
    const total = changes.reduce((sum, { count }) => sum + count, 0)
    const rows = accepted.flatMap(({ userId, signedId, signatures }) =>
      signatures.map(({ keyId, signature }): Write => put(keySignatures, [userId, signedId, signer, keyId], signature)),
    )
    await this.#stream.commit(
      total,
      (first) => [...rows, ...changes.flatMap(({ writes }, index) => writes(first + (offsets[index] ?? 0)))],
      {
        published: (first) => {
          for (const [index, { published }] of changes.entries()) published(first + (offsets[index] ?? 0))
        },
      },
    )
  }

  async #changes(signer: UserId, accepted: readonly Accepted[]): Promise<PreparedChange[]> {
    const own = accepted.filter(({ userId }) => userId === signer)
    const devices = own.filter(({ isDevice }) => isDevice)
    const master = own.find(({ isDevice }) => !isDevice)
    const others = [...new Set(accepted.flatMap(({ userId }) => (userId === signer ? [] : [userId])))]
    const changes: PreparedChange[] = []
    if (devices.length > 0)
      changes.push(
        await this.#deviceLists.prepare(
          signer,
          devices.map(({ signedId, key, signatures }) => ({ deviceId: signedId, keys: withSignatures(key, signatures) })),
        ),
      )
    if (master)
      changes.push(await this.#deviceLists.prepareSigningKeys(signer, { masterKey: withSignatures(master.key, master.signatures) }))
    if (others.length > 0) changes.push(this.#deviceLists.prepareSignatures(signer, others))
    return changes
  }
}

function failure(errcode: string, error: string): { error: JsonObject } {
  return { error: { errcode, error } }
}
