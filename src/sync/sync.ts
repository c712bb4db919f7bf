import type { Clock } from '../ports/clock.ts'
import type { StickyEvents, StickyPage } from '../rooms/sticky-events.ts'
import { invalidParam } from '../spec/errors.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { waitPast } from '../streams/wait.ts'
import { filterSchema } from '../users/filters.ts'
import { type DeviceListChanges, DeviceListTracker } from './device-list-changes.ts'
import { checkFilter, parseFilter } from './event-filter.ts'
import { LazyMembers } from './lazy-members.ts'
import { newestMembership } from './newest-membership.ts'
import { ProfileUpdates } from './profile-updates.ts'
import { RoomLog } from './room-log.ts'
import { hasLeft, RoomSections } from './room-sections.ts'
import type { RoomViews } from './room-views.ts'
import { SharedRooms } from './shared-rooms.ts'
import type { PresenceState, SyncSources } from './sources.ts'
import { stickyLimit } from './sticky.ts'
import { compileSyncFilter, type SyncFilter } from './sync-filter.ts'
import type { StateAfterField, SyncPass } from './sync-request.ts'
import { type RoomNews, readNews } from './timeline.ts'
import type { SyncToken, Tokens } from './token.ts'
import { UnreadCounts } from './unread.ts'

/** A `GET /sync` as a device asks it. */
export interface SyncRequest {
  readonly userId: UserId
  readonly deviceId: string
  readonly since?: string
  /** A filter's id, or its JSON. */
  readonly filter?: string
  readonly fullState: boolean
  readonly stateAfter: StateAfterField | undefined
  readonly timeoutMs: number
  readonly setPresence?: PresenceState
  readonly signal: AbortSignal
}

export interface SyncDeps {
  readonly stream: Stream
  readonly clock: Clock
  readonly views: RoomViews
  readonly tokens: Tokens
  readonly sources: SyncSources
  readonly sticky: StickyEvents
}

/** A request with its token and its filter read, and the span it is asked about. */
type PassRequest = Omit<SyncRequest, 'since' | 'filter'> &
  Pick<SyncPass, 'since' | 'upTo' | 'filter' | 'memberships'> & { readonly token: SyncToken | undefined }

type Memberships = SyncPass['memberships']

interface Shared {
  readonly log: RoomLog
  readonly unread: UnreadCounts
  readonly deviceLists: DeviceListTracker
  /** The newest position, and the user's memberships at it. */
  readonly now: (userId: UserId) => Promise<{ upTo: Position; memberships: Memberships }>
}

/** What a pass over the news found, and the token that goes on from it. */
interface Outcome {
  readonly isEmpty: boolean
  readonly response: JsonObject
}

/** The longest a client waits; it asks again at once. */
const longestWaitMs = 30_000
/** Messages to a device in one answer to `/sync`; the next has those that follow. */
const toDeviceLimit = 100
const settleMs = 5_000

/** Answers `GET /sync` (Client-Server API, "Syncing"). */
export class Sync {
  readonly #deps: SyncDeps
  readonly #log: RoomLog
  readonly #lazyMembers = new LazyMembers()
  readonly #deviceLists: DeviceListTracker
  readonly #rooms: RoomSections
  readonly #profiles: ProfileUpdates
  /** What sliding sync stands on as well. */
  readonly shared: Shared

  constructor(deps: SyncDeps) {
    this.#deps = deps
    const { views, tokens, sources } = deps
    const { store, members, relations, keptCounts: kept } = views
    this.#log = new RoomLog(store, deps.stream.current)
    const unread = new UnreadCounts({ store, log: this.#log, members, relations, kept, sources })
    this.#rooms = new RoomSections({ views, unread, tokens, sources })
    this.#deviceLists = new DeviceListTracker({ store, members, sources })
    this.#profiles = new ProfileUpdates({ store, sources })
    this.shared = { log: this.#log, unread, deviceLists: this.#deviceLists, now: (userId) => this.#now(userId) }
  }

  /**
   * The response, at once if there is anything to say, else as soon as there is, at the latest after `timeoutMs` (30 s at
   * most). Throws `M_INVALID_PARAM` for a token or a filter that is none of ours.
   */
  async sync(request: SyncRequest): Promise<JsonObject> {
    const { stream, clock, tokens, sources } = this.#deps
    const { userId, deviceId } = request
    const token = request.since === undefined ? undefined : tokens.parseSync(request.since)
    const filter = await this.#filter(userId, request.filter)
    // Presence is a courtesy: a sync does not wait for it, nor fail with it.
    void sources.presence.online(userId, request.deviceId, request.setPresence).catch(() => undefined)
    if (token) await sources.toDevice.acknowledge(userId, deviceId, token.toDevice ?? token.position)
    const deadline = clock.now() + Math.min(request.timeoutMs, longestWaitMs)
    for (let since = token?.position; ; ) {
      const at = await this.#now(userId)
      const outcome = await this.#pass({ ...request, ...at, token, since, filter })
      const remainingMs = deadline - clock.now()
      if (!outcome.isEmpty || since === undefined || request.fullState || remainingMs <= 0 || request.signal.aborted)
        return outcome.response
      since = at.upTo
      await waitPast(stream, at.upTo, { clock, timeoutMs: remainingMs, signal: request.signal })
    }
  }

  /** `device_lists` between two sync tokens, for `GET /keys/changes`. Throws `M_INVALID_PARAM`. */
  async deviceListsBetween(userId: UserId, from: string, to: string): Promise<DeviceListChanges> {
    const since = this.#deps.tokens.parseSync(from).position
    const upTo = this.#deps.tokens.parseSync(to).position
    if (since > upTo) throw invalidParam('from comes after to')
    const memberships = await this.#deps.views.store.memberships(userId)
    const news = await this.#news({ memberships, since, upTo, filter: compileSyncFilter({}) })
    return this.#deviceLists.changes({ userId, since, upTo }, await this.#deviceLists.moves({ userId, since, upTo, memberships, news }))
  }

  async #filter(userId: UserId, filter: string | undefined): Promise<SyncFilter> {
    if (filter === undefined) return compileSyncFilter({})
    if (filter.startsWith('{')) return compileSyncFilter(parseFilter(filterSchema, filter))
    const stored = await this.#deps.sources.filters.get(userId, filter)
    if (!stored) throw invalidParam('No such filter')
    return compileSyncFilter(checkFilter(filterSchema, stored))
  }

  /** The newest position, and the user's memberships at it: they must not be ahead of what the log shows. */
  async #now(userId: UserId): Promise<{ upTo: Position; memberships: Memberships }> {
    const { stream, clock } = this.#deps
    for (;;) {
      const upTo = stream.current
      const memberships = await this.#deps.views.store.memberships(userId)
      if (newestMembership(memberships) <= upTo) return { upTo, memberships }
      await waitPast(stream, upTo, { clock, timeoutMs: settleMs })
    }
  }

  async #pass(request: PassRequest): Promise<Outcome> {
    const { sources, tokens } = this.#deps
    const { userId, deviceId, since, upTo, token } = request
    const pass = await this.#open(request)
    const moves = since === undefined ? undefined : await this.#deviceLists.moves({ ...pass, since })
    const [rooms, presence, toDevice, deviceLists, counts, fallbackTypes] = await Promise.all([
      this.#rooms.write(pass),
      this.#presence(pass, moves?.joined ?? []),
      sources.toDevice.pending(userId, deviceId, { since: token?.toDevice ?? token?.position ?? 0, upTo, limit: toDeviceLimit }),
      since === undefined || !moves ? undefined : this.#deviceLists.changes({ userId, since, upTo }, moves),
      sources.oneTimeKeys.counts(userId, deviceId),
      sources.oneTimeKeys.unusedFallbackTypes(userId, deviceId),
    ])
    const profiles = await this.#profiles.write(pass, { rooms, joined: moves?.joined ?? [] })
    const accountData = (pass.accountData.get('') ?? [])
      .map(({ type, content }) => ({ type, content }))
      .filter((event) => pass.filter.accountData(event))
    const content = {
      ...(Object.keys(rooms).length > 0 ? { rooms } : {}),
      ...(presence.length > 0 ? { presence: { events: presence } } : {}),
      ...(accountData.length > 0 ? { account_data: { events: accountData } } : {}),
      ...(toDevice.events.length > 0 ? { to_device: { events: [...toDevice.events] } } : {}),
      ...deviceListsJson(deviceLists),
      ...(Object.keys(profiles).length > 0 ? { 'org.matrix.msc4429.users': profiles } : {}),
    }
    const keysChanged = since !== undefined && sources.oneTimeKeys.changedAfter(userId, deviceId, since)
    return {
      isEmpty: Object.keys(content).length === 0 && !keysChanged,
      response: {
        next_batch: tokens.sync({
          position: upTo,
          ...(toDevice.through < upTo ? { toDevice: toDevice.through } : {}),
          ...(pass.sticky.through < upTo ? { sticky: pass.sticky.through } : {}),
        }),
        ...content,
        device_one_time_keys_count: counts,
        device_unused_fallback_key_types: fallbackTypes,
      },
    }
  }

  async #open(request: PassRequest): Promise<SyncPass> {
    const { accountData, receipts, typing } = this.#deps.sources
    const { userId, deviceId, since, upTo, token } = request
    const [changes, ignored, blocksInvites, moved, news] = await Promise.all([
      since === undefined ? accountData.all(userId) : accountData.changedSince(userId, since, upTo),
      accountData.ignoredUsers(userId),
      accountData.blocksInvites(userId),
      since === undefined ? [] : receipts.changedSince(since, upTo),
      since === undefined ? new Map<RoomId, RoomNews>() : this.#news({ ...request, since }),
    ])
    return {
      ...request,
      ignored,
      blocksInvites,
      news,
      // What the client has is what it had when it asked, however long this has waited since.
      deviceMembers: this.#lazyMembers.of({ userId, deviceId }, token?.position),
      accountData: Map.groupBy(changes, ({ roomId }) => roomId),
      receipts: Map.groupBy(
        moved.filter(({ type, userId: reader }) => type !== 'm.read.private' || reader === userId),
        ({ roomId }) => roomId,
      ),
      sticky: this.#sticky(request),
      typing: new Set(since === undefined ? [] : typing.changedSince(since, upTo)),
    }
  }

  /** Of rooms the user has just joined, all; of the others, what came since the client was told. */
  #sticky({ memberships, since = 0, upTo, token }: PassRequest): StickyPage {
    const told = since === token?.position ? (token.sticky ?? since) : since
    const from = (roomId: RoomId) => {
      const known = memberships.get(roomId)
      return known?.membership !== 'join' ? undefined : known.position > since ? 0 : told
    }
    return this.#deps.sticky.between(from, { upTo, limit: stickyLimit })
  }

  #news(span: {
    readonly memberships: Memberships
    readonly since: Position
    readonly upTo: Position
    readonly filter: SyncFilter
  }): Promise<Map<RoomId, RoomNews>> {
    const { memberships, since, upTo, filter } = span
    const wanted = (roomId: RoomId) => {
      const known = memberships.get(roomId)
      return known !== undefined && (known.membership === 'join' || (hasLeft(known) && known.position > since))
    }
    return readNews(this.#log, { since, upTo, wanted }, { passes: filter.timeline, limit: filter.timelineLimit })
  }

  /** Presence that changed, of who shares a room with the user, and of who has just come to. */
  async #presence(pass: SyncPass, joined: readonly UserId[]): Promise<JsonObject[]> {
    const { presence } = this.#deps.sources
    const { userId, since, upTo, memberships } = pass
    const changed = new Set(presence.changedSince(since ?? 0, upTo))
    const isOwn = changed.delete(userId)
    const sharing = changed.size === 0 ? [] : await (await SharedRooms.of(this.#deps.views.store, joinedOf(memberships))).among(changed)
    const users = new Set([...(isOwn ? [userId] : []), ...sharing, ...joined])
    return [...users]
      .filter((other) => !pass.ignored.has(other))
      .map((other) => presence.event(other))
      .filter((event) => event !== undefined)
      .filter((event) => pass.filter.presence({ type: 'm.presence', sender: String(event.sender), content: {} }))
  }
}

function joinedOf(memberships: Memberships): RoomId[] {
  return [...memberships].filter(([, { membership }]) => membership === 'join').map(([roomId]) => roomId)
}

function deviceListsJson(changes: DeviceListChanges | undefined): JsonObject {
  if (!changes || changes.changed.length + changes.left.length === 0) return {}
  return { device_lists: { changed: [...changes.changed], left: [...changes.left] } }
}
