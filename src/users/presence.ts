import type { Clock } from '../ports/clock.ts'
import type { RoomMembers } from '../ports/room-members.ts'
import { put, remove, type Storage } from '../ports/storage.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { presences, type StoredPresence } from '../storage/tables/users.ts'
import type { SendEphemeral } from '../streams/edu.ts'
import type { Position, Stream } from '../streams/stream.ts'

export type PresenceState = StoredPresence['presence']

/** Without a `/sync` for this long a user is offline; a long poll takes 30 s. */
const offlineAfterMs = 75_000
const idleAfterMs = 5 * 60_000
const currentlyActiveMs = 60_000
/** Users whose presence is known. */
const userLimit = 10_000
/** Users in one presence EDU that are looked at. */
const eduLimit = 100

interface PresenceDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly clock: Clock
  readonly members: RoomMembers
  readonly serverName: ServerName
  readonly sendEphemeral: SendEphemeral
}

/** Who is online: kept in memory, written down without haste (Client-Server API, "Presence"). */
export class Presence {
  readonly #deps: PresenceDeps
  readonly #states: Map<UserId, StoredPresence>
  /** Local users, with the time of their last `/sync` that counts as being online. */
  readonly #syncedTs = new Map<UserId, number>()
  /** Their devices that last asked for `/sync` as being online, and when. */
  readonly #onlineTs = new Map<UserId, Map<string, number>>()

  private constructor(deps: PresenceDeps, states: Map<UserId, StoredPresence>) {
    this.#deps = deps
    this.#states = states
  }

  /** Takes up what was last known; local users begin offline. */
  static async open(deps: PresenceDeps): Promise<Presence> {
    const rows = await deps.storage.read([presences], (tx) => tx.range(presences, { limit: userLimit }))
    const states = rows.map(([userId, state]): [UserId, StoredPresence] => {
      const local = serverNameOf(userId) === deps.serverName
      return [userId, local ? { ...state, presence: 'offline' } : state]
    })
    return new Presence(deps, new Map(states))
  }

  /** A device of a local user asks for `/sync`, with the presence the request sets: idle is who is idle on all devices. */
  async online(userId: UserId, deviceId: string, setPresence: PresenceState = 'online'): Promise<void> {
    if (setPresence === 'offline') return
    const now = this.#deps.clock.now()
    const unwatched = !this.#syncedTs.has(userId)
    this.#syncedTs.set(userId, now)
    if (unwatched) void this.#watch(userId)
    const devices = this.#onlineTs.get(userId) ?? new Map<string, number>()
    if (setPresence === 'online') devices.set(deviceId, now)
    else devices.delete(deviceId)
    this.#onlineTs.set(userId, devices)
    const { presence } = this.#state(userId)
    const isOnline = devices.values().some((ts) => now - ts < offlineAfterMs)
    if (presence === 'offline') await this.#change(userId, { presence: setPresence, lastActiveTs: now })
    else if (presence === 'online' && !isOnline) await this.#change(userId, { presence: 'unavailable' })
  }

  /** A local user does something. */
  async active(userId: UserId): Promise<void> {
    const lastActiveTs = this.#deps.clock.now()
    const { presence } = this.#state(userId)
    if (presence === 'unavailable') await this.#change(userId, { presence: 'online', lastActiveTs })
    else this.#states.set(userId, { ...this.#state(userId), lastActiveTs })
  }

  /** A local user sets their presence; without a status message the one they had is removed. */
  async set(userId: UserId, presence: PresenceState, statusMsg: string | undefined): Promise<void> {
    const { statusMsg: _, ...state } = this.#state(userId)
    this.#states.set(userId, state)
    await this.#change(userId, { presence, lastActiveTs: this.#deps.clock.now(), ...(statusMsg === undefined ? {} : { statusMsg }) })
    if (presence === 'offline' || this.#syncedTs.has(userId)) return
    this.#syncedTs.set(userId, this.#deps.clock.now())
    void this.#watch(userId)
  }

  /** Whether `reader` may know about `userId`: they are the same, or share a room. */
  async isVisible(reader: UserId, userId: UserId): Promise<boolean> {
    if (reader === userId) return true
    for (const roomId of await this.#deps.members.joinedRooms(reader)) {
      if ((await this.#deps.members.joinedUsers(roomId)).includes(userId)) return true
    }
    return false
  }

  /** The content of `GET /presence/{userId}/status`; `undefined` where nothing is known. */
  content(userId: UserId): JsonObject | undefined {
    const state = this.#states.get(userId)
    if (!state) return undefined
    const ago = Math.max(0, this.#deps.clock.now() - state.lastActiveTs)
    return {
      presence: state.presence,
      last_active_ago: ago,
      ...(state.statusMsg === undefined ? {} : { status_msg: state.statusMsg }),
      ...(state.presence === 'online' ? { currently_active: ago < currentlyActiveMs } : {}),
    }
  }

  /** The `m.presence` event of a user. */
  event(userId: UserId): JsonObject | undefined {
    const content = this.content(userId)
    return content && { type: 'm.presence', sender: userId, content }
  }

  /** Users whose presence changed after `since` and up to `upTo`, whoever may see it. */
  changedSince(since: Position, upTo: Position): UserId[] {
    return [...this.#states].flatMap(([userId, { position }]) => (position > since && position <= upTo ? [userId] : []))
  }

  /** Takes an `m.presence` EDU: of its entries, those of the origin's own users. */
  readonly receive = async (origin: ServerName, content: JsonObject): Promise<void> => {
    const entries = Array.isArray(content.push) ? content.push.slice(0, eduLimit) : []
    for (const entry of entries) {
      const parsed = this.#parse(entry)
      if (parsed && serverNameOf(parsed.userId) === origin) await this.#store(parsed.userId, parsed.state)
    }
  }

  /** Tells servers of a local user's presence, unless the user is offline: to be called when they come to share a room. */
  tell(userId: UserId, servers: Iterable<ServerName>): void {
    if (this.#state(userId).presence !== 'offline') this.#tell(userId, new Set(servers))
  }

  async #change(userId: UserId, changed: Partial<Omit<StoredPresence, 'position'>>): Promise<void> {
    await this.#store(userId, { ...this.#state(userId), ...changed })
    const destinations = new Set<ServerName>()
    for (const roomId of await this.#deps.members.joinedRooms(userId)) {
      for (const server of await this.#deps.members.servers(roomId)) destinations.add(server)
    }
    this.#tell(userId, destinations)
  }

  #tell(userId: UserId, destinations: Set<ServerName>): void {
    destinations.delete(this.#deps.serverName)
    const push = [{ user_id: userId, last_active_ago: 0, ...this.content(userId) }]
    this.#deps.sendEphemeral(destinations, { edu_type: 'm.presence', content: { push } }, `m.presence ${userId}`)
  }

  async #store(userId: UserId, state: Omit<StoredPresence, 'position'>): Promise<void> {
    const published = (position: Position) => {
      this.#states.delete(userId)
      this.#states.set(userId, { ...state, position })
    }
    const evicted = this.#states.size >= userLimit && !this.#states.has(userId) ? this.#evict() : []
    await this.#deps.stream.commit(1, (position) => [...evicted, put(presences, userId, { ...state, position })], {
      durability: 'relaxed',
      published,
    })
  }

  #evict() {
    const [oldest] = this.#states.keys()
    if (oldest === undefined) return []
    this.#states.delete(oldest)
    return [remove(presences, oldest)]
  }

  /** Lets a user go idle and offline in time, for as long as they are not offline. */
  async #watch(userId: UserId): Promise<void> {
    for (;;) {
      await this.#deps.clock.sleep(offlineAfterMs / 3)
      const now = this.#deps.clock.now()
      const { presence, lastActiveTs } = this.#state(userId)
      const gone = now - (this.#syncedTs.get(userId) ?? 0) >= offlineAfterMs
      if (gone) this.#syncedTs.delete(userId)
      if (gone) this.#onlineTs.delete(userId)
      try {
        if (gone && presence !== 'offline') await this.#change(userId, { presence: 'offline' })
        else if (presence === 'online' && now - lastActiveTs >= idleAfterMs) await this.#change(userId, { presence: 'unavailable' })
      } catch {
        // A store that is gone stops the homeserver by itself.
        return
      }
      if (gone) return
    }
  }

  #state(userId: UserId): StoredPresence {
    return this.#states.get(userId) ?? { presence: 'offline', lastActiveTs: this.#deps.clock.now(), position: 0 }
  }

  #parse(entry: JsonValue): { userId: UserId; state: Omit<StoredPresence, 'position'> } | undefined {
    if (!isObject(entry)) return undefined
    const { user_id: userId, presence, status_msg: statusMsg, last_active_ago: ago } = entry
    if (typeof userId !== 'string' || (presence !== 'online' && presence !== 'unavailable' && presence !== 'offline')) return undefined
    const lastActiveTs = this.#deps.clock.now() - (typeof ago === 'number' && Number.isSafeInteger(ago) && ago >= 0 ? ago : 0)
    const message = typeof statusMsg === 'string' && statusMsg !== '' ? { statusMsg: statusMsg.slice(0, 1000) } : {}
    return { userId, state: { presence, lastActiveTs, ...message } }
  }
}
