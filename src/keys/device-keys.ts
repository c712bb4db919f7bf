import type { Verifier } from '../ports/signer.ts'
import { last, put, type ReadTx, removeRange, type Storage } from '../ports/storage.ts'
import { canonicalJson } from '../spec/canonical-json.ts'
import { badJson, invalidParam, MatrixError, notFound } from '../spec/errors.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { crossSigningKeys, deviceKeys, deviceLists, keySignatures } from '../storage/tables/keys.ts'
import { accounts, devices } from '../storage/tables/users.ts'
import type { Stream } from '../streams/stream.ts'
import type { DeviceLists } from './device-lists.ts'
import { isSameKey, isSignedBy, type KeySignature, publicKeyOf, signaturesBy, withSignatures, withSignaturesOf } from './signed-keys.ts'

/** What `/keys/query` answers of some users. */
export interface KeysAnswer {
  readonly deviceKeys: Map<UserId, Map<string, JsonObject>>
  readonly masterKeys: Map<UserId, JsonObject>
  readonly selfSigningKeys: Map<UserId, JsonObject>
  readonly userSigningKeys: Map<UserId, JsonObject>
}

/** User → devices asked for; none means all. */
export type KeysQuery = Readonly<Record<UserId, readonly string[]>>

const tables = [accounts, devices, deviceKeys, crossSigningKeys, keySignatures]

/** Identity keys of local users' devices, and their cross-signing keys as others may see them. */
export class DeviceKeys {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #verifier: Verifier
  readonly #serverName: ServerName
  readonly #deviceLists: DeviceLists

  constructor(deps: { storage: Storage; stream: Stream; verifier: Verifier; serverName: ServerName; deviceLists: DeviceLists }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#verifier = deps.verifier
    this.#serverName = deps.serverName
    this.#deviceLists = deps.deviceLists
  }

  /**
   * Publishes a device's identity keys. Throws `M_INVALID_PARAM` if they are another device's, `M_INVALID_SIGNATURE` if its
   * signature on them is wrong. Keys without one are taken, as by other servers: it is clients that trust them or do not.
   */
  async upload(userId: UserId, deviceId: string, keys: JsonObject): Promise<void> {
    requireKeysOf(userId, deviceId, keys)
    if (signaturesBy(keys, userId).some(({ keyId }) => keyId === `ed25519:${deviceId}`)) await this.requireSigned(userId, deviceId, keys)
    const { unsigned: _, ...stored } = keys
    const before = await this.#storage.read([deviceKeys], (tx) => tx.get(deviceKeys, [userId, deviceId]))
    if (before && canonicalJson(before) === canonicalJson(stored)) return
    const isOther = before !== undefined && !isSameKey(before, stored)
    const change = await this.#deviceLists.prepare(userId, [{ deviceId, keys: stored }])
    const { published } = change
    const writes = [
      put(deviceKeys, [userId, deviceId], stored),
      // They were on the keys that the device had before.
      ...(isOther ? [removeRange(keySignatures, { from: [userId, deviceId, '', ''], to: [userId, deviceId, last, last] })] : []),
    ]
    await this.#stream.commit(change.count, (first) => [...writes, ...change.writes(first)], { published })
  }

  /** Keys of local users as `requester` may see them; users of other servers, and unknown ones, are missing. */
  async query(query: KeysQuery, requester: UserId | undefined): Promise<KeysAnswer> {
    const answer = emptyAnswer()
    const local = Object.entries(query).filter(([userId]) => serverNameOf(userId) === this.#serverName)
    await this.#storage.read(tables, async (tx) => {
      await Promise.all(local.map(([userId, deviceIds]) => collect(tx, answer, { userId, deviceIds, requester })))
    })
    return answer
  }

  /** The answer to another server's `/user/keys/query`. */
  async queryLocal(query: KeysQuery): Promise<JsonObject> {
    const { user_signing_keys: _, ...visible } = keysJson(await this.query(query, undefined))
    return visible
  }

  /** The answer to another server's `/user/devices/{userId}`. Throws `M_NOT_FOUND`. */
  async devicesOf(userId: UserId): Promise<JsonObject> {
    const answer = emptyAnswer()
    // Read together: a stream id that is ahead of the devices would make the other server pass over the update it lacks.
    const list = await this.#storage.read([...tables, deviceLists], async (tx) => {
      const [stored] = await Promise.all([
        tx.get(deviceLists, userId),
        collect(tx, answer, { userId, deviceIds: [], requester: undefined }),
      ])
      return stored
    })
    const devicesOfUser = answer.deviceKeys.get(userId)
    if (!devicesOfUser) throw notFound('There is no such user')
    const [master, selfSigning] = [answer.masterKeys.get(userId), answer.selfSigningKeys.get(userId)]
    return {
      user_id: userId,
      stream_id: list?.streamId ?? 0,
      devices: [...devicesOfUser].map(([deviceId, keys]) => describedDevice(deviceId, keys)),
      ...(master === undefined ? {} : { master_key: master }),
      ...(selfSigning === undefined ? {} : { self_signing_key: selfSigning }),
    }
  }

  /** `key`, of a user of another server, with the signatures that `requester` put on it. */
  async signedBy(requester: UserId, userId: UserId, key: JsonObject): Promise<JsonObject> {
    const publicKey = publicKeyOf(key)
    if (publicKey === undefined) return key
    const rows = await this.#storage.read([keySignatures], (tx) =>
      tx.range(keySignatures, { from: [userId, publicKey, requester, ''], to: [userId, publicKey, requester, last] }),
    )
    return withSignatures(
      key,
      rows.map(([[, , signer, keyId], signature]) => ({ signer, keyId, signature })),
    )
  }

  /** Throws `M_INVALID_PARAM` unless the keys are that device's, `M_INVALID_SIGNATURE` unless it signed them. */
  async requireSigned(userId: UserId, deviceId: string, keys: JsonObject): Promise<void> {
    const keyId = `ed25519:${deviceId}`
    const publicKey = requireKeysOf(userId, deviceId, keys)[keyId]
    const signed = typeof publicKey === 'string' && (await isSignedBy(this.#verifier, keys, { userId, keyId, publicKey }))
    if (!signed) throw new MatrixError(400, 'M_INVALID_SIGNATURE', { message: 'The device keys are not signed by the device' })
  }
}

/** The identity keys themselves. Throws `M_INVALID_PARAM` unless they are that device's. */
function requireKeysOf(userId: UserId, deviceId: string, { user_id, device_id, algorithms, keys }: JsonObject): JsonObject {
  if (user_id !== userId || device_id !== deviceId) throw invalidParam('user_id or device_id is not that of this login')
  if (!Array.isArray(algorithms) || !isObject(keys)) throw badJson('algorithms or keys is missing')
  return keys
}

function emptyAnswer(): KeysAnswer {
  return { deviceKeys: new Map(), masterKeys: new Map(), selfSigningKeys: new Map(), userSigningKeys: new Map() }
}

/** The answer as JSON. */
export function keysJson(answer: KeysAnswer): JsonObject {
  return {
    device_keys: Object.fromEntries([...answer.deviceKeys].map(([userId, devices]) => [userId, Object.fromEntries(devices)])),
    master_keys: Object.fromEntries(answer.masterKeys),
    self_signing_keys: Object.fromEntries(answer.selfSigningKeys),
    user_signing_keys: Object.fromEntries(answer.userSigningKeys),
  }
}

interface Asked {
  readonly userId: UserId
  readonly deviceIds: readonly string[]
  readonly requester: UserId | undefined
}

async function collect(tx: ReadTx, answer: KeysAnswer, { userId, deviceIds, requester }: Asked): Promise<void> {
  const ofUser = { from: [userId, ''], to: [userId, last] } as const
  const [account, keyRows, deviceRows, signingRows, signatureRows] = await Promise.all([
    tx.get(accounts, userId),
    tx.range(deviceKeys, ofUser),
    tx.range(devices, ofUser),
    tx.range(crossSigningKeys, ofUser),
    tx.range(keySignatures, { from: [userId, '', '', ''], to: [userId, last, last, last] }),
  ])
  if (!account || account.deactivated) return
  const visible = requester === undefined ? [userId] : [userId, requester]
  const signatures = new Map<string, KeySignature[]>()
  for (const [[, signedId, signer, keyId], signature] of signatureRows) {
    if (visible.includes(signer)) signatures.set(signedId, [...(signatures.get(signedId) ?? []), { signer, keyId, signature }])
  }
  const names = new Map(deviceRows.map(([[, deviceId], { displayName }]) => [deviceId, displayName]))
  const asked = keyRows.filter(([[, deviceId]]) => deviceIds.length === 0 || deviceIds.includes(deviceId))
  answer.deviceKeys.set(
    userId,
    new Map(
      asked.map(([[, deviceId], keys]) => [deviceId, named(withSignatures(keys, signatures.get(deviceId) ?? []), names.get(deviceId))]),
    ),
  )
  for (const [[, usage], key] of signingRows) {
    const seen = withSignatures(withSignaturesOf(key, visible), signatures.get(publicKeyOf(key) ?? '') ?? [])
    if (usage === 'master') answer.masterKeys.set(userId, seen)
    if (usage === 'self_signing') answer.selfSigningKeys.set(userId, seen)
    if (usage === 'user_signing' && requester === userId) answer.userSigningKeys.set(userId, seen)
  }
}

function named(keys: JsonObject, displayName: string | undefined): JsonObject {
  return { ...keys, unsigned: displayName === undefined ? {} : { device_display_name: displayName } }
}

function describedDevice(deviceId: string, { unsigned, ...keys }: JsonObject): JsonObject {
  const name = isObject(unsigned) && typeof unsigned.device_display_name === 'string' ? unsigned.device_display_name : undefined
  return { device_id: deviceId, keys, ...(name === undefined ? {} : { device_display_name: name }) }
}
