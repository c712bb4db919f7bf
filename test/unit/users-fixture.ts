import { accountEndpoints } from '../../src/api/client/account.ts'
import { accountDataEndpoints } from '../../src/api/client/account-data.ts'
import { authFallbackEndpoints } from '../../src/api/client/auth-fallback.ts'
import { dehydratedDeviceEndpoints } from '../../src/api/client/dehydrated-devices.ts'
import { devicesEndpoints } from '../../src/api/client/devices.ts'
import { discoveryEndpoints } from '../../src/api/client/discovery.ts'
import { keyBackupEndpoints } from '../../src/api/client/key-backup.ts'
import { keysEndpoints } from '../../src/api/client/keys.ts'
import { loginEndpoints } from '../../src/api/client/login.ts'
import { moderationEndpoints } from '../../src/api/client/moderation.ts'
import { notOfferedEndpoints } from '../../src/api/client/not-offered.ts'
import { oauthEndpoints } from '../../src/api/client/oauth/oauth.ts'
import { presenceEndpoints } from '../../src/api/client/presence.ts'
import { profileEndpoints } from '../../src/api/client/profile.ts'
import { pushRulesEndpoints } from '../../src/api/client/push-rules.ts'
import { pushersEndpoints } from '../../src/api/client/pushers.ts'
import { readingEndpoints } from '../../src/api/client/reading.ts'
import { registrationEndpoints } from '../../src/api/client/registration.ts'
import { registrationTokensEndpoints } from '../../src/api/client/registration-tokens.ts'
import { sharedSecretEndpoints } from '../../src/api/client/shared-secret-registration.ts'
import { usersEndpoints } from '../../src/api/client/users.ts'
import { composeOAuth } from '../../src/composition/oauth.ts'
import { createRateLimit } from '../../src/http/rate-limit.ts'
import { createHandler } from '../../src/http/router.ts'
import { CrossSigning } from '../../src/keys/cross-signing.ts'
import { DeviceKeys } from '../../src/keys/device-keys.ts'
import { DeviceLists } from '../../src/keys/device-lists.ts'
import { KeyBackup } from '../../src/keys/key-backup.ts'
import { KeyRequests } from '../../src/keys/key-requests.ts'
import { KeySignatures } from '../../src/keys/key-signatures.ts'
import { OneTimeKeys } from '../../src/keys/one-time-keys.ts'
import { RemoteDeviceLists } from '../../src/keys/remote-device-lists.ts'
import type { RemoteKeys } from '../../src/keys/remote-keys.ts'
import { ToDevice } from '../../src/keys/to-device.ts'
import type { RoomMembers } from '../../src/ports/room-members.ts'
import type { Storage } from '../../src/ports/storage.ts'
import type { Edu } from '../../src/spec/edu.ts'
import { MatrixError, unauthorized } from '../../src/spec/errors.ts'
import { serverNameOf } from '../../src/spec/identifiers.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { outgoingEdus } from '../../src/storage/tables/federation.ts'
import { Stream } from '../../src/streams/stream.ts'
import { AccountData } from '../../src/users/account-data.ts'
import { Accounts } from '../../src/users/accounts.ts'
import { Devices } from '../../src/users/devices.ts'
import { Filters } from '../../src/users/filters.ts'
import { InteractiveAuth } from '../../src/users/interactive-auth.ts'
import { OpenIdTokens } from '../../src/users/openid-tokens.ts'
import { Presence } from '../../src/users/presence.ts'
import { Profiles } from '../../src/users/profiles.ts'
import { impliedAccountData, PushRules } from '../../src/users/push-rules.ts'
import { Pushers } from '../../src/users/pushers.ts'
import { ReadMarkers } from '../../src/users/read-markers.ts'
import { Receipts } from '../../src/users/receipts.ts'
import { RegistrationTokens } from '../../src/users/registration-tokens.ts'
import { Sessions } from '../../src/users/sessions.ts'
import { SingleUseSecrets } from '../../src/users/single-use.ts'
import { Tags } from '../../src/users/tags.ts'
import { Tokens } from '../../src/users/tokens.ts'
import { Typing } from '../../src/users/typing.ts'
import { UserDirectory } from '../../src/users/user-directory.ts'
import { nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'

const serverName = 'a.example'

export interface Answer {
  readonly status: number
  readonly body: JsonObject
  readonly headers: Headers
}

export interface Asking {
  readonly token?: string | undefined
  readonly body?: unknown
  readonly trusted?: boolean
  readonly address?: string
}

/** Rooms as sets of users: all that users, keys and media ever learn of them. */
class FixtureRooms implements RoomMembers {
  readonly rooms = new Map<string, Set<string>>()

  async joinedRooms(userId: string): Promise<string[]> {
    return [...this.rooms].flatMap(([roomId, users]) => (users.has(userId) ? [roomId] : []))
  }

  async joinedUsers(roomId: string): Promise<string[]> {
    return [...(this.rooms.get(roomId) ?? [])]
  }

  async servers(roomId: string): Promise<Set<string>> {
    return new Set([...(this.rooms.get(roomId) ?? [])].map((userId) => serverNameOf(userId) ?? ''))
  }

  async sharesRoom(userId: string, server: string): Promise<boolean> {
    const shared = await Promise.all((await this.joinedRooms(userId)).map((roomId) => this.servers(roomId)))
    return shared.some((servers) => servers.has(server))
  }
}

/** What another server's answers to `keys/query` and `keys/claim` are made of; without a function it cannot be reached. */
interface OtherServers {
  query?: (server: string, deviceKeys: Readonly<Record<string, readonly string[]>>) => Promise<JsonObject>
  claim?: (server: string) => Promise<JsonObject>
  profile?: (userId: string) => Promise<JsonObject>
}

interface FixtureOptions {
  readonly openRegistration?: boolean
  readonly guests?: boolean
  readonly sharedSecret?: string
  readonly rateLimits?: boolean
  /** To go on with what an earlier fixture left. */
  readonly storage?: Storage
}

/** The users, keys and their endpoints of one homeserver, over memory storage and virtual time; rooms are given. */
export async function openUsers(options: FixtureOptions = {}) {
  const storage = options.storage ?? new MemoryStorage()
  const clock = new VirtualClock(1_700_000_000_000)
  const random = new SeededRandom(7)
  const stream = await Stream.open(storage)
  const members = new FixtureRooms()
  const others: OtherServers = {}
  const sent: { servers: string[]; edu: Edu }[] = []
  const updatedProfiles: string[] = []
  const leftRooms: string[] = []
  const woken: string[] = []
  const reached = <T>(answer: Promise<T> | undefined) => answer ?? Promise.reject(new Error('unreachable'))
  const remoteKeys: RemoteKeys = {
    query: (server, deviceKeys) => reached(others.query?.(server, deviceKeys)),
    claim: (server) => reached(others.claim?.(server)),
  }
  const ports = {
    storage,
    stream,
    clock,
    random,
    members,
    serverName,
    incarnation: 1,
    verifier: nodeVerifier(),
    remoteKeys,
    wake: (servers: Iterable<string>) => void woken.push(...servers),
    logger: { log: () => undefined },
    sendEphemeral: (servers: Iterable<string>, edu: Edu) => void sent.push({ servers: [...servers], edu }),
  }
  const hasher = {
    hash: async (password: string) => `hash of ${password}`,
    verify: async (password: string, phc: string) => phc === `hash of ${password}`,
  }

  const oneTimeKeys = new OneTimeKeys(ports)
  const deviceLists = new DeviceLists({ ...ports, oneTimeKeys })
  const remoteDeviceLists = new RemoteDeviceLists({ ...ports, deviceLists })
  const deviceKeys = new DeviceKeys({ ...ports, deviceLists })
  const crossSigning = new CrossSigning({ ...ports, deviceLists })
  const keySignatures = new KeySignatures({ ...ports, deviceLists, crossSigning })
  const keyRequests = new KeyRequests({ ...ports, deviceKeys, oneTimeKeys, deviceLists, remoteDeviceLists })
  const toDevice = new ToDevice(ports)
  const keyBackup = new KeyBackup(ports)

  const tokens = new Tokens(ports)
  const accounts = new Accounts({ ...ports, hasher, standingChanged: () => tokens.forgetStandings() })
  const pushers = new Pushers(ports)
  const devices = new Devices({ ...ports, tokens, pushers, deviceChanges: deviceLists })
  const sessions = new Sessions({ ...ports, tokens, devices, deviceChanges: deviceLists })
  const interactiveAuth = new InteractiveAuth({ ...ports, accounts })
  const accountData = new AccountData({ ...ports, implied: impliedAccountData })
  const profiles = new Profiles({
    ...ports,
    remote: {
      profile: (userId) => others.profile?.(userId) ?? Promise.reject(new MatrixError(502, 'M_UNKNOWN', { message: 'unreachable' })),
    },
  })
  const receipts = new Receipts(ports)
  const typing = new Typing(ports)
  const presence = await Presence.open(ports)
  const pushRules = new PushRules({ accountData })
  const openIdTokens = new OpenIdTokens(ports)
  const source = {
    rooms: (userId: string) => members.joinedRooms(userId),
    members: async (roomId: string) => (await members.joinedUsers(roomId)).map((userId) => ({ userId })),
  }
  const singleUse = new SingleUseSecrets(ports)
  const registrationTokens = new RegistrationTokens(ports)
  const parts = {
    tokens,
    singleUse,
    registrationTokens,
    accounts,
    sessions,
    devices,
    interactiveAuth,
    accountData,
    profiles,
    receipts,
    typing,
    presence,
    pushRules,
    openIdTokens,
  }
  const keys = { oneTimeKeys, deviceLists, remoteDeviceLists, deviceKeys, crossSigning, keySignatures, keyRequests, toDevice, keyBackup }
  const shared = {
    ...ports,
    ...parts,
    ...keys,
    settings: {
      incarnation: 1,
      openRegistration: options.openRegistration ?? false,
      guests: options.guests ?? false,
      rateLimits: options.rateLimits ?? false,
      maxUploadBytes: 1000,
    },
  }
  const oauth = composeOAuth(shared)
  const handler = createHandler(
    [
      ...registrationEndpoints(shared),
      ...authFallbackEndpoints(shared),
      ...loginEndpoints(shared),
      ...accountEndpoints({ ...shared, leaveRooms: async (userId) => void leftRooms.push(userId) }),
      ...devicesEndpoints(shared),
      ...dehydratedDeviceEndpoints(shared),
      ...discoveryEndpoints({ admins: () => accounts.admins() }),
      ...moderationEndpoints(shared),
      ...registrationTokensEndpoints(shared),
      ...profileEndpoints({ ...shared, updateMemberProfiles: async (userId) => void updatedProfiles.push(userId) }),
      ...accountDataEndpoints({ ...shared, tags: new Tags({ accountData }), filters: new Filters(ports) }),
      ...pushRulesEndpoints(shared),
      ...pushersEndpoints({ pushers }),
      ...presenceEndpoints(shared),
      ...readingEndpoints({ ...shared, readMarkers: new ReadMarkers(shared) }),
      ...usersEndpoints({ ...shared, userDirectory: new UserDirectory({ ...shared, source }) }),
      ...notOfferedEndpoints(shared.settings),
      ...sharedSecretEndpoints({ ...shared, sharedSecret: options.sharedSecret }),
      ...oauthEndpoints({
        ...shared,
        ...oauth,
        leaveRooms: async (userId) => void leftRooms.push(userId),
        updateMemberProfiles: async (userId) => void updatedProfiles.push(userId),
      }),
      ...keysEndpoints({
        ...shared,
        ...oauth,
        deviceListsBetween: async (userId, from, to) => ({
          changed: await deviceLists.changedSince(userId, Number(from), Number(to)),
          left: [],
        }),
      }),
      ...keyBackupEndpoints(shared),
    ],
    {
      authenticator: { user: (token, origin) => sessions.user(token, origin), server: () => Promise.reject(unauthorized('not here')) },
      logger: ports.logger,
      rateLimit: createRateLimit({ clock, enabled: shared.settings.rateLimits }),
    },
  )

  const ask = async (method: string, path: string, asking: Asking = {}): Promise<Answer> => {
    const { token, body, trusted = true, address = 'test' } = asking
    const request = new Request(`http://localhost${path.startsWith('/_') || path.startsWith('/.') ? path : `/_matrix/client${path}`}`, {
      method,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const response = await handler(request, { trusted, address })
    return { status: response.status, body: await response.json(), headers: response.headers }
  }

  /** A new user, logged in. */
  const register = async (username: string, extra: JsonObject = {}): Promise<{ userId: string; token: string; deviceId: string }> => {
    const body = { username, password: `${username}'s password`, auth: { type: 'm.login.dummy' }, ...extra }
    const answer = await ask('POST', '/v3/register', { body })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    return { userId: String(answer.body.user_id), token: String(answer.body.access_token), deviceId: String(answer.body.device_id) }
  }

  const passwordAuth = (username: string, extra: JsonObject = {}): JsonObject => ({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: username },
    password: `${username}'s password`,
    ...extra,
  })

  /** EDUs that wait for a server, oldest first. */
  const outgoing = async (server: string): Promise<Edu[]> => {
    const rows = await storage.read([outgoingEdus], (tx) =>
      tx.range(outgoingEdus, { from: [server, 0], to: [server, Number.MAX_SAFE_INTEGER] }),
    )
    return rows.map(([, edu]) => edu)
  }

  return { ...shared, ask, register, passwordAuth, outgoing, handler, others, sent, updatedProfiles, leftRooms, woken }
}

export type UsersFixture = Awaited<ReturnType<typeof openUsers>>
