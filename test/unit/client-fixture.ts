import { delayedEventsEndpoints } from '../../src/api/client/delayed-events.ts'
import { notificationEndpoints } from '../../src/api/client/notifications.ts'
import { oldSyncEndpoints } from '../../src/api/client/old-sync.ts'
import { readingEndpoints } from '../../src/api/client/reading.ts'
import { reportEndpoints } from '../../src/api/client/reports.ts'
import { roomCreationEndpoints } from '../../src/api/client/room-creation.ts'
import { roomDirectoryEndpoints } from '../../src/api/client/room-directory.ts'
import { roomHistoryEndpoints } from '../../src/api/client/room-history.ts'
import { inheritance } from '../../src/api/client/room-inheritance.ts'
import { roomMembershipEndpoints } from '../../src/api/client/room-membership.ts'
import { roomRelationsEndpoints } from '../../src/api/client/room-relations.ts'
import { roomSearchEndpoints } from '../../src/api/client/room-search.ts'
import { roomSendingEndpoints } from '../../src/api/client/room-sending.ts'
import { roomStateEndpoints } from '../../src/api/client/room-state.ts'
import { roomUpgradeEndpoints } from '../../src/api/client/room-upgrade.ts'
import { slidingSyncEndpoints } from '../../src/api/client/sliding-sync.ts'
import { spaceEndpoints } from '../../src/api/client/spaces.ts'
import { syncEndpoints } from '../../src/api/client/sync.ts'
import { threadSubscriptionsEndpoints } from '../../src/api/client/thread-subscriptions.ts'
import { userSending } from '../../src/api/client/user-sending.ts'
import { createHandler } from '../../src/http/router.ts'
import { DeviceLists } from '../../src/keys/device-lists.ts'
import { OneTimeKeys } from '../../src/keys/one-time-keys.ts'
import { ToDevice } from '../../src/keys/to-device.ts'
import type { Storage } from '../../src/ports/storage.ts'
import { Backfill } from '../../src/rooms/backfill.ts'
import { RoomCommitter } from '../../src/rooms/commit.ts'
import { RoomCreator } from '../../src/rooms/create.ts'
import { DelayedEvents } from '../../src/rooms/delayed-events.ts'
import { Directory } from '../../src/rooms/directory.ts'
import { GapFiller } from '../../src/rooms/gap-filler.ts'
import { GuestAccess } from '../../src/rooms/guest-access.ts'
import { JoinsUnderWay } from '../../src/rooms/join-progress.ts'
import { MemberLists } from '../../src/rooms/member-lists.ts'
import { RoomMembership } from '../../src/rooms/membership.ts'
import { EventPlacer } from '../../src/rooms/place.ts'
import { PolicyServers } from '../../src/rooms/policy-servers.ts'
import { RoomReceiver } from '../../src/rooms/receive.ts'
import type { EventVerifier, RemoteServers } from '../../src/rooms/remote.ts'
import { RoomQueue } from '../../src/rooms/room-queue.ts'
import { RoomStore } from '../../src/rooms/room-store.ts'
import { type LocalEvent, RoomSender } from '../../src/rooms/send.ts'
import { Spaces } from '../../src/rooms/spaces.ts'
import { StickyEvents } from '../../src/rooms/sticky-events.ts'
import { RoomUpgrader } from '../../src/rooms/upgrade.ts'
import { missingToken, notFound, unauthorized } from '../../src/spec/errors.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/spec/json.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import { eventSigningBytes, withSignature } from '../../src/spec/signing.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { Stream } from '../../src/streams/stream.ts'
import { History } from '../../src/sync/history.ts'
import { Notifications } from '../../src/sync/notifications.ts'
import { OldSync } from '../../src/sync/old-sync.ts'
import { RoomViews } from '../../src/sync/room-views.ts'
import { SlidingSync } from '../../src/sync/sliding/sliding-sync.ts'
import { Sync } from '../../src/sync/sync.ts'
import { Tokens } from '../../src/sync/token.ts'
import { AccountData } from '../../src/users/account-data.ts'
import { Filters } from '../../src/users/filters.ts'
import { Presence } from '../../src/users/presence.ts'
import { Profiles } from '../../src/users/profiles.ts'
import { impliedAccountData, PushRules } from '../../src/users/push-rules.ts'
import { ReadMarkers } from '../../src/users/read-markers.ts'
import { Receipts } from '../../src/users/receipts.ts'
import { Tags } from '../../src/users/tags.ts'
import { ThreadSubscriptions } from '../../src/users/thread-subscriptions.ts'
import { Typing } from '../../src/users/typing.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'

export interface Answer {
  readonly status: number
  readonly body: JsonObject
}

interface FixtureOptions {
  readonly serverName?: string
  readonly storage?: Storage
  readonly incarnation?: number
  readonly remote?: Partial<RemoteServers>
  readonly remotePublicRooms?: (server: string, request: JsonObject) => Promise<JsonObject>
  readonly remoteRoom?: (roomId: string, via: readonly string[]) => Promise<JsonObject | undefined>
}

/**
 * One homeserver's rooms, users and `/sync` behind their endpoints, over memory storage and virtual time. A token is a user
 * id, or a user id and a device id with a slash between; users whose names begin with `guest` or `suspended` are that.
 */
export async function openClientApi(options: FixtureOptions = {}) {
  const serverName = options.serverName ?? 'a.example'
  const storage = options.storage ?? new MemoryStorage()
  const clock = new VirtualClock(1_700_000_000_000)
  const random = new SeededRandom(3)
  const stream = await Stream.open(storage)
  const logged: { message: string; fields: Readonly<Record<string, unknown>> | undefined }[] = []
  const logger = {
    log: (_level: string, message: string, fields?: Readonly<Record<string, unknown>>) => void logged.push({ message, fields }),
  }
  const store = new RoomStore(storage, stream.current)
  const signer = nodeSigner(serverName)
  const signEvent = async (pdu: Pdu, rules: RoomVersionRules) =>
    withSignature(pdu, serverName, { keyId: signer.keyId, signature: await signer.sign(eventSigningBytes(pdu, rules)) })
  const verifier: EventVerifier = { verify: async (events) => events.map(() => undefined) }
  const remote = remoteServers(options.remote ?? {})
  const committer = new RoomCommitter({ stream, store, clock, serverName })
  const queue = new RoomQueue(store, committer)
  const profiles = new Map<string, JsonObject>()
  const profileOf = async (userId: string): Promise<JsonObject> => profiles.get(userId) ?? {}
  const policyServers = new PolicyServers({ store, members: store, remote, signatures: nodeVerifier(), logger, serverName })
  const base = { storage, stream, store, clock, random, logger, serverName, queue }
  const pipeline = { ...base, verifier, signEvent, remote, policyServers, profileOf }
  const sender = new RoomSender(pipeline)
  const gapFiller = new GapFiller({ ...pipeline, members: store })
  const placer = new EventPlacer({ queue, gapFiller })
  const receiver = new RoomReceiver({ ...pipeline, gapFiller, placer })
  const backfill = new Backfill({ ...pipeline, gapFiller, placer })
  const isGuest = async (userId: string) => userId.startsWith('@guest')
  const membership = new RoomMembership({
    ...pipeline,
    joins: new JoinsUnderWay(),
    gapFiller,
    deliver: async () => undefined,
    sender,
    isGuest,
    blocksInvites: (userId) => accountData.blocksInvites(userId),
  })
  const guestAccess = new GuestAccess({ store, membership, isGuest, serverName, logger })
  const members = new MemberLists(store)
  const directory = new Directory({ storage, store, members, sender, remote, serverName })
  const creator = new RoomCreator({ storage, queue, clock, random, signEvent, serverName, sender, membership, directory, profileOf })
  const upgrader = new RoomUpgrader({ queue, store, sender, creator, directory })
  const spaces = new Spaces({ store, members, remoteRoom: options.remoteRoom ?? (async () => undefined) })

  const userPorts = {
    storage,
    stream,
    clock,
    random,
    members: store,
    serverName,
    incarnation: 1,
    wake: () => undefined,
    sendEphemeral: () => undefined,
  }
  const accountData = new AccountData({ ...userPorts, implied: impliedAccountData })
  const pushRules = new PushRules({ accountData })
  const threadSubscriptions = new ThreadSubscriptions({ storage, stream, pushRules })
  const tags = new Tags({ accountData })
  const inherit = inheritance({ store, tags, pushRules })
  const filters = new Filters(userPorts)
  const receipts = new Receipts(userPorts)
  const typing = new Typing(userPorts)
  const presence = await Presence.open(userPorts)
  const oneTimeKeys = new OneTimeKeys(userPorts)
  const deviceLists = new DeviceLists({ ...userPorts, oneTimeKeys })
  const toDevice = new ToDevice(userPorts)
  const sources = {
    profiles: new Profiles({ ...userPorts, remote: { profile: async () => ({}) } }),
    accountData,
    pushRules,
    threadSubscriptions,
    filters,
    receipts,
    typing,
    presence,
    deviceLists,
    oneTimeKeys,
    toDevice,
  }

  const tokens = new Tokens(options.incarnation ?? 1, stream)
  const views = new RoomViews({ storage, clock, store, members, accountData })
  const history = new History({ views, tokens, backfill })
  const sticky = new StickyEvents({ storage, store, clock })
  await sticky.start()
  const sync = new Sync({ stream, clock, views, tokens, sources, sticky })
  const sendAsUser = userSending({
    sender,
    membership,
    store,
    relations: views.relations,
    checkCanonical: (roomId, content) => directory.checkCanonical(roomId, content),
  })
  const deliver = ({ userId, ...event }: Omit<LocalEvent, 'sender'> & { readonly userId: string }) =>
    sendAsUser({ userId, suspended: false }, event)
  const delayedEvents = new DelayedEvents({ storage, clock, random, logger, store, deliver })
  await delayedEvents.start()
  const handler = createHandler(
    [
      ...syncEndpoints({ sync }),
      ...slidingSyncEndpoints({ sliding: new SlidingSync({ stream, clock, views, tokens, sources, sticky, ...sync.shared }) }),
      ...oldSyncEndpoints({ oldSync: new OldSync({ views, history, tokens, stream, clock, directory, sources }), views, tokens }),
      ...roomCreationEndpoints({ creator, inherit }),
      ...roomMembershipEndpoints({ membership, directory, store, inherit }),
      ...roomSendingEndpoints({ sendAsUser, delayedEvents, store, presence }),
      ...delayedEventsEndpoints({ delayedEvents }),
      ...roomStateEndpoints({ views, tokens }),
      ...roomHistoryEndpoints({ views, history, tokens }),
      ...roomRelationsEndpoints({ views, tokens }),
      ...threadSubscriptionsEndpoints({ threadSubscriptions, views, tokens }),
      ...roomDirectoryEndpoints({
        directory,
        store,
        views,
        serverName,
        remotePublicRooms: options.remotePublicRooms ?? (() => Promise.reject(notFound())),
      }),
      ...roomSearchEndpoints({ storage, stream, clock, views, history, tokens }),
      ...roomUpgradeEndpoints({ upgrader, inherit }),
      ...spaceEndpoints({ spaces, directory, store }),
      ...notificationEndpoints({ notifications: new Notifications({ views, sources }) }),
      ...reportEndpoints({ storage, store, views, logger }),
      ...readingEndpoints({ typing, receipts, readMarkers: new ReadMarkers({ storage, accountData, members: store }) }),
    ],
    {
      authenticator: {
        user: async (token) => {
          const [userId = '', deviceId = 'DEVICE'] = token.split('/')
          if (!userId.startsWith('@')) throw missingToken()
          return {
            userId,
            deviceId,
            tokenHash: token,
            admin: false,
            guest: userId.startsWith('@guest'),
            locked: false,
            suspended: userId.startsWith('@suspended'),
          }
        },
        server: () => Promise.reject(unauthorized('not here')),
      },
      logger,
      rateLimit: () => undefined,
    },
  )

  const request = (token: string, method: string, path: string, body?: unknown, signal?: AbortSignal): Request =>
    new Request(`http://localhost/_matrix/client${path}`, {
      method,
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    })

  const ask = async (token: string, method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> => {
    const response = await handler(request(token, method, path, body, signal), { trusted: true, address: 'test' })
    return { status: response.status, body: await response.json() }
  }

  /** Like `ask`, for what has to succeed. */
  const get = async (token: string, path: string): Promise<JsonObject> => expectOk(await ask(token, 'GET', path), path)
  const post = async (token: string, path: string, body: unknown = {}): Promise<JsonObject> =>
    expectOk(await ask(token, 'POST', path, body), path)
  const put = async (token: string, path: string, body: unknown): Promise<JsonObject> => expectOk(await ask(token, 'PUT', path, body), path)

  let transaction = 0
  const send = async (token: string, roomId: string, body: string, content: JsonObject = {}, type = 'm.room.message'): Promise<string> => {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/${type}/${++transaction}`
    return String((await put(token, path, { msgtype: 'm.text', body, ...content })).event_id)
  }
  const createRoom = async (token: string, body: JsonObject = {}): Promise<string> =>
    String((await post(token, '/v3/createRoom', body)).room_id)
  const join = (token: string, roomId: string) => post(token, `/v3/join/${encodeURIComponent(roomId)}`)

  const parts = {
    storage,
    stream,
    clock,
    store,
    sender,
    membership,
    receiver,
    directory,
    creator,
    views,
    tokens,
    sync,
    queue,
    signEvent,
    committer,
    guestAccess,
    delayedEvents,
  }
  return { ...parts, ...sources, profiles, tags, logged, serverName, ask, get, post, put, send, createRoom, join, handler, request }
}

export type ClientApi = Awaited<ReturnType<typeof openClientApi>>

/** A path's room id, encoded. */
export const encode = encodeURIComponent

/** The value at a path of object keys and list indexes; `undefined` where there is none. */
export function at(value: JsonValue | undefined, ...path: readonly (string | number)[]): JsonValue | undefined {
  let current = value
  for (const step of path) {
    if (Array.isArray(current)) current = current[Number(step)]
    else current = isObject(current) ? current[step] : undefined
  }
  return current
}

/** The list of objects at a path; empty where there is none. */
export function listAt(value: JsonValue | undefined, ...path: readonly (string | number)[]): JsonObject[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found.filter(isObject) : []
}

/** Bodies of the messages in a list of events; the type of what is no message. */
export function said(events: readonly JsonObject[]): JsonValue[] {
  return events.map((event) => at(event, 'content', 'body') ?? event.type ?? null)
}

function expectOk({ status, body }: Answer, path: string): JsonObject {
  if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
  return body
}

function remoteServers(answers: Partial<RemoteServers>): RemoteServers {
  const unreachable = () => Promise.reject(notFound('unreachable'))
  return {
    makeMembership: unreachable,
    sendJoin: unreachable,
    sendLeave: unreachable,
    sendKnock: unreachable,
    sendInvite: unreachable,
    missingEvents: unreachable,
    event: unreachable,
    stateIds: unreachable,
    state: unreachable,
    backfill: unreachable,
    policySignature: unreachable,
    resolveAlias: unreachable,
    ...answers,
  }
}
