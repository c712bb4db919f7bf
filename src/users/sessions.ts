import type { RequestOrigin, Session } from '../http/endpoint.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { last, put, type Storage, type Write } from '../ports/storage.ts'
import { forbidden, missingToken, unknownToken } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'
import { crossSigningKeys } from '../storage/tables/keys.ts'
import { devices, type StoredDevice } from '../storage/tables/users.ts'
import type { Stream } from '../streams/stream.ts'
import type { DeviceChanges } from './device-changes.ts'
import type { Devices } from './devices.ts'
import type { IssuedTokens, KnownToken, Tokens } from './tokens.ts'

/** How long a device may be seen before that is written down again. */
const seenEveryMs = 5 * 60 * 1000

/** What a login answers with. */
export type LoginAnswer = { device_id: string } & IssuedTokens['answer']

export interface LoginRequest {
  /** Made up where there is none; tokens the device had are revoked. */
  readonly deviceId?: string
  readonly displayName?: string
  readonly refreshable: boolean
  readonly address: string
  /** Written in the same commit. */
  readonly alongside?: (answer: LoginAnswer) => readonly Write[]
  /** The OAuth client that logs in; absent for the legacy API. */
  readonly oauthClientId?: string
}

/** Logging in, and knowing whose an access token is. */
export class Sessions {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #random: Random
  readonly #tokens: Tokens
  readonly #deviceChanges: DeviceChanges
  readonly #devices: Pick<Devices, 'makeRoom'>
  readonly #seenTs = new Lru<string, number>(10_000)

  constructor(deps: {
    storage: Storage
    stream: Stream
    clock: Clock
    random: Random
    tokens: Tokens
    deviceChanges: DeviceChanges
    devices: Pick<Devices, 'makeRoom'>
  }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#clock = deps.clock
    this.#random = deps.random
    this.#tokens = deps.tokens
    this.#deviceChanges = deps.deviceChanges
    this.#devices = deps.devices
  }

  /** Logs a user in on a device, new or known. Throws `M_FORBIDDEN` where the device id is a cross-signing key's. */
  async login(userId: UserId, request: LoginRequest): Promise<LoginAnswer> {
    const deviceId = request.deviceId ?? this.#newDeviceId()
    const known = await this.#known(userId, deviceId)
    if (!known) await this.#devices.makeRoom(userId)
    const revocation = await this.#tokens.revocation(userId, deviceId)
    const issued = this.#tokens.issue({ userId, deviceId, oauthClientId: request.oauthClientId }, request)
    const device = this.#seenDevice(known, request)
    const answer = { device_id: deviceId, ...issued.answer }
    const alongside = request.alongside?.(answer) ?? []
    const writes = [...revocation.writes, ...issued.writes, put(devices, [userId, deviceId], device), ...alongside]
    if (known) await this.#storage.commit(writes, 'strict')
    else {
      const { displayName } = device
      const change = await this.#deviceChanges.prepare(userId, [{ deviceId, ...(displayName === undefined ? {} : { displayName }) }])
      const { published } = change
      await this.#stream.commit(change.count, (first) => [...writes, ...change.writes(first)], { published })
    }
    this.#tokens.forget(revocation.hashes)
    return answer
  }

  /** New tokens for a refresh token; `alongside` is written in the same commit. Throws `M_UNKNOWN_TOKEN`. */
  async refresh(refreshToken: string, alongside: (answer: IssuedTokens['answer']) => readonly Write[]): Promise<IssuedTokens['answer']> {
    const answer = await this.#tokens.refresh(refreshToken, { alongside })
    if (!answer) throw unknownToken('Unknown refresh token')
    return answer
  }

  /** Whose access token this is. Throws `M_MISSING_TOKEN` or `M_UNKNOWN_TOKEN`, with `soft_logout` where it only expired. */
  async user(token: string, origin: RequestOrigin): Promise<Session> {
    if (token === '') throw missingToken()
    const known = await this.#tokens.find(token)
    if (!known) throw unknownToken()
    if (known.expiresTs !== undefined && known.expiresTs <= this.#clock.now()) throw unknownToken('The access token expired', true)
    await this.#tokens.used(known)
    await this.#seen(known, origin.address)
    const { userId, deviceId, hash, oauthClientId } = known
    return { userId, deviceId, tokenHash: hash, ...known.standing, ...(oauthClientId === undefined ? {} : { oauthClientId }) }
  }

  async #seen({ userId, deviceId }: KnownToken, address: string): Promise<void> {
    const now = this.#clock.now()
    const key = `${userId} ${deviceId}`
    if (now - (this.#seenTs.get(key) ?? 0) < seenEveryMs) return
    this.#seenTs.set(key, now)
    const device = await this.#storage.read([devices], (tx) => tx.get(devices, [userId, deviceId]))
    if (!device || now - device.lastSeenTs < seenEveryMs) return
    await this.#storage.commit([put(devices, [userId, deviceId], { ...device, lastSeenTs: now, lastSeenAddress: address })], 'relaxed')
  }

  async #known(userId: UserId, deviceId: string): Promise<StoredDevice | undefined> {
    return this.#storage.read([devices, crossSigningKeys], async (tx) => {
      const signingKeys = await tx.range(crossSigningKeys, { from: [userId, ''], to: [userId, last] })
      if (signingKeys.some(([, key]) => Object.values(key.keys ?? {}).includes(deviceId))) {
        throw forbidden('The device id is that of a cross-signing key')
      }
      return tx.get(devices, [userId, deviceId])
    })
  }

  #seenDevice(known: StoredDevice | undefined, request: LoginRequest): StoredDevice {
    const now = this.#clock.now()
    const seen = { lastSeenTs: now, lastSeenAddress: request.address }
    if (known) return { ...known, ...seen }
    return { ...(request.displayName === undefined ? {} : { displayName: request.displayName }), createdTs: now, ...seen }
  }

  #newDeviceId(): string {
    return [...this.#random.bytes(10)].map((byte) => String.fromCharCode(65 + (byte % 26))).join('')
  }
}
