import type { RoomStore } from '../rooms/room-store.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from '../spec/json.ts'
import { SharedRooms } from './shared-rooms.ts'
import type { SyncSources } from './sources.ts'
import type { SyncPass } from './sync-request.ts'

/** What of a user is told: fields that changed, or all that the client asks for. */
type Told = ReadonlySet<string> | 'all'

/**
 * Works out the fields of profiles that `/sync` tells to clients whose filter asks for them (MSC4429; matrix-js-sdk's `sync.ts` reads
 * it): of users of this server alone, since no other server tells when profiles change.
 */
export class ProfileUpdates {
  readonly #store: RoomStore
  readonly #profiles: SyncSources['profiles']

  constructor(deps: { readonly store: RoomStore; readonly sources: Pick<SyncSources, 'profiles'> }) {
    this.#store = deps.store
    this.#profiles = deps.sources.profiles
  }

  /**
   * By user: what changed, of who shares a room with the user, and their own; all of who came to share one, and of whose membership
   * `rooms`, which go into the same answer, tell. What a profile does not have any more is `null`.
   */
  async write(pass: SyncPass, { rooms, joined }: { readonly rooms: JsonObject; readonly joined: readonly UserId[] }): Promise<JsonObject> {
    const wanted = pass.filter.profileFields
    if (wanted.length === 0) return {}
    const changed = pass.since === undefined ? new Map<UserId, string[]>() : await this.#profiles.changedSince(pass.since, pass.upTo)
    const users = new Map<UserId, Told>()
    for (const userId of await this.#sharing(pass, changed)) users.set(userId, new Set(changed.get(userId)))
    const met = pass.since === undefined ? [pass.userId, ...(pass.filter.lazyMembers ? [] : await this.#members(pass))] : joined
    for (const userId of [...met, ...membersTold(rooms)]) users.set(userId, 'all')
    const profiles = await this.#profiles.ofLocal([...users.keys()].filter((userId) => !pass.ignored.has(userId)))
    return Object.fromEntries(
      [...profiles].flatMap(([userId, { profile, removed }]) => {
        const told = users.get(userId) ?? 'all'
        const updates = wanted.flatMap((field): [string, JsonValue][] => {
          const value = ownValue(profile, field)
          if (told !== 'all') return told.has(field) ? [[field, value ?? null]] : []
          return value !== undefined ? [[field, value]] : pass.since !== undefined && removed.has(field) ? [[field, null]] : []
        })
        return updates.length > 0 ? [[userId, { profile_updates: Object.fromEntries(updates) }]] : []
      }),
    )
  }

  async #sharing({ userId, memberships }: SyncPass, changed: ReadonlyMap<UserId, unknown>): Promise<UserId[]> {
    const others = [...changed.keys()].filter((other) => other !== userId)
    const sharing = others.length === 0 ? [] : await (await SharedRooms.of(this.#store, joinedOf(memberships))).among(others)
    return [...(changed.has(userId) ? [userId] : []), ...sharing]
  }

  async #members({ memberships }: SyncPass): Promise<UserId[]> {
    const members = await Promise.all(joinedOf(memberships).map((roomId) => this.#store.joinedUsers(roomId)))
    return [...new Set(members.flat())]
  }
}

function joinedOf(memberships: SyncPass['memberships']): RoomId[] {
  return [...memberships].flatMap(([roomId, { membership }]) => (membership === 'join' ? [roomId] : []))
}

/** Who is told to be in a joined room. */
function membersTold({ join }: JsonObject): UserId[] {
  const rooms = isObject(join) ? Object.values(join).filter(isObject) : []
  const events = rooms.flatMap(({ state, state_after: after, 'org.matrix.msc4222.state_after': early, timeline }) =>
    [state, after, early, timeline].flatMap((section) => (isObject(section) && Array.isArray(section.events) ? section.events : [])),
  )
  return events.flatMap((event) =>
    isObject(event) && event.type === 'm.room.member' && isObject(event.content) && event.content.membership === 'join'
      ? [String(event.state_key)]
      : [],
  )
}
