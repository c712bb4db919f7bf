import type { Clock } from '../ports/clock.ts'
import type { Write } from '../ports/storage.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { parseUserId } from '../spec/identifiers.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from '../spec/json.ts'
import { type DeviceKeys, type KeysAnswer, type KeysQuery, keysJson } from './device-keys.ts'
import type { DeviceLists } from './device-lists.ts'
import type { OneTimeKeys } from './one-time-keys.ts'
import { type FetchedDevices, isDeviceOf, isKeyOf, type RemoteDeviceLists } from './remote-device-lists.ts'
import type { RemoteKeys } from './remote-keys.ts'

const defaultTimeoutMs = 10_000
/** How long a request for keys waits for other servers at most. */
const timeoutLimitMs = 20_000

/** User → device → algorithm. */
export type ClaimRequest = Readonly<Record<UserId, Readonly<Record<string, string>>>>

/** Answers clients' requests for keys of users of any server: here, from what is known, or by asking their servers. */
export class KeyRequests {
  readonly #clock: Clock
  readonly #serverName: ServerName
  readonly #deviceKeys: DeviceKeys
  readonly #oneTimeKeys: OneTimeKeys
  readonly #deviceLists: DeviceLists
  readonly #remoteLists: RemoteDeviceLists
  readonly #remote: RemoteKeys

  constructor(deps: {
    clock: Clock
    serverName: ServerName
    deviceKeys: DeviceKeys
    oneTimeKeys: OneTimeKeys
    deviceLists: DeviceLists
    remoteDeviceLists: RemoteDeviceLists
    remoteKeys: RemoteKeys
  }) {
    this.#clock = deps.clock
    this.#serverName = deps.serverName
    this.#deviceKeys = deps.deviceKeys
    this.#oneTimeKeys = deps.oneTimeKeys
    this.#deviceLists = deps.deviceLists
    this.#remoteLists = deps.remoteDeviceLists
    this.#remote = deps.remoteKeys
  }

  /** The answer to `/keys/query`; servers that did not answer in time are among its `failures`. */
  async query(requester: UserId, query: KeysQuery, timeoutMs: number | undefined): Promise<JsonObject> {
    const answer = await this.#deviceKeys.query(query, requester)
    const remote = byServer(query, this.#serverName)
    if (remote.size === 0) return { ...keysJson(answer), failures: {} }
    const sharing = await this.#deviceLists.sharing(requester)
    const known = await this.#remoteLists.fresh(
      [...remote.values()].flatMap((ofServer) => Object.keys(ofServer).filter((userId) => sharing.has(userId))),
    )
    const add = async (userId: UserId, devices: FetchedDevices) =>
      this.#add(answer, { requester, userId, deviceIds: query[userId] ?? [] }, devices)
    for (const [userId, devices] of known) await add(userId, devices)
    const failures = await this.#eachServer(remote, timeoutMs, async (server, ofServer, signal) => {
      const wanted = Object.fromEntries(Object.entries(ofServer).filter(([userId]) => !known.has(userId)))
      if (Object.keys(wanted).length === 0) return
      for (const [userId, devices] of await this.#fetch({ server, wanted, sharing }, signal)) await add(userId, devices)
    })
    return { ...keysJson(answer), failures }
  }

  /** The answer to `/keys/claim`; what `alongside` makes of it is written in the commit that takes our own users' keys. */
  async claim(
    wanted: ClaimRequest,
    {
      timeoutMs,
      alongside = () => [],
    }: { readonly timeoutMs: number | undefined; readonly alongside?: (answer: JsonObject) => readonly Write[] },
  ): Promise<JsonObject> {
    const remote = byServer(wanted, this.#serverName)
    const local = Object.fromEntries(Object.entries(wanted).filter(([userId]) => parseUserId(userId)?.serverName === this.#serverName))
    const claimed = new Map<UserId, JsonValue>()
    const failures = await this.#eachServer(remote, timeoutMs, async (server, ofServer, signal) => {
      const { one_time_keys: keys } = await this.#remote.claim(server, ofServer, signal)
      for (const [userId, devices] of Object.entries(ofServer)) {
        const ofUser = isObject(keys) ? ownValue(keys, userId) : undefined
        if (isObject(ofUser)) claimed.set(userId, claimedOf(ofUser, devices))
      }
    })
    const answerWith = (own: JsonObject) => ({ one_time_keys: { ...Object.fromEntries(claimed), ...own }, failures })
    return answerWith(await this.#oneTimeKeys.claimLocal(local, (own) => alongside(answerWith(own))))
  }

  /** Asks a server. Lists of users who share a room are asked for whole, and kept. */
  async #fetch(
    { server, wanted, sharing }: { server: ServerName; wanted: KeysQuery; sharing: ReadonlySet<UserId> },
    signal: AbortSignal,
  ): Promise<ReadonlyMap<UserId, FetchedDevices>> {
    const kept = Object.keys(wanted).filter((userId) => sharing.has(userId))
    const query = Object.fromEntries(Object.entries(wanted).map(([userId, deviceIds]) => [userId, sharing.has(userId) ? [] : deviceIds]))
    return this.#remoteLists.refresh(kept, async () => {
      const answer = await within(this.#remote.query(server, query, signal), signal)
      return new Map(Object.keys(wanted).flatMap((userId) => fetchedOf(userId, answer)))
    })
  }

  async #add(
    answer: KeysAnswer,
    asked: { requester: UserId; userId: UserId; deviceIds: readonly string[] },
    found: FetchedDevices,
  ): Promise<void> {
    const { requester, userId, deviceIds } = asked
    const devices = Object.entries(found.devices).filter(([deviceId]) => deviceIds.length === 0 || deviceIds.includes(deviceId))
    answer.deviceKeys.set(userId, new Map(devices))
    if (found.masterKey) answer.masterKeys.set(userId, await this.#deviceKeys.signedBy(requester, userId, found.masterKey))
    if (found.selfSigningKey) answer.selfSigningKeys.set(userId, found.selfSigningKey)
  }

  /** Runs `ask` for all servers at once, for a bounded time. Resolves with the `failures` of those where it did not succeed. */
  async #eachServer<T>(
    servers: ReadonlyMap<ServerName, T>,
    timeoutMs: number | undefined,
    ask: (server: ServerName, asked: T, signal: AbortSignal) => Promise<void>,
  ): Promise<JsonObject> {
    if (servers.size === 0) return {}
    const timeout = new AbortController()
    const done = new AbortController()
    void this.#clock.sleep(Math.min(timeoutMs ?? defaultTimeoutMs, timeoutLimitMs), done.signal).then(() => timeout.abort())
    const entries = [...servers]
    const results = await Promise.allSettled(entries.map(([server, asked]) => within(ask(server, asked, timeout.signal), timeout.signal)))
    done.abort()
    const failed = entries.filter((_, index) => results[index]?.status === 'rejected')
    return Object.fromEntries(failed.map(([server]) => [server, { errcode: 'M_UNKNOWN', error: 'The server did not answer in time' }]))
  }
}

/** `work`, or a rejection as soon as `signal` aborts: a server that does not listen to it keeps nobody waiting. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(new Error('timed out'))
    signal.addEventListener('abort', () => reject(new Error('timed out')), { once: true })
    work.then(resolve, reject)
  })
}

function byServer<T>(byUser: Readonly<Record<UserId, T>>, ownServer: ServerName): Map<ServerName, Record<UserId, T>> {
  const servers = new Map<ServerName, [UserId, T][]>()
  for (const [userId, value] of Object.entries(byUser)) {
    const server = parseUserId(userId)?.serverName
    if (server === undefined || server === ownServer) continue
    servers.set(server, [...(servers.get(server) ?? []), [userId, value]])
  }
  return new Map([...servers].map(([server, entries]) => [server, Object.fromEntries(entries)]))
}

function fetchedOf(userId: UserId, answer: JsonObject): [UserId, FetchedDevices][] {
  const of = (field: string) => (isObject(answer[field]) ? ownValue(answer[field], userId) : undefined)
  const [devices, master, selfSigning] = [of('device_keys'), of('master_keys'), of('self_signing_keys')]
  if (!isObject(devices)) return []
  const valid = Object.entries(devices).flatMap(([deviceId, keys]) =>
    isDeviceOf(userId, deviceId, keys) ? [[deviceId, keys] as const] : [],
  )
  const signing = {
    ...(isKeyOf(userId, master) ? { masterKey: master } : {}),
    ...(isKeyOf(userId, selfSigning) ? { selfSigningKey: selfSigning } : {}),
  }
  return [[userId, { devices: Object.fromEntries(valid), ...signing }]]
}

/** Only what was asked for. */
function claimedOf(ofUser: JsonObject, devices: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(
    Object.keys(devices).flatMap((deviceId) => {
      const keys = ownValue(ofUser, deviceId)
      return isObject(keys) ? [[deviceId, keys]] : []
    }),
  )
}
