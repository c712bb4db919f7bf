import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { Accounts } from './accounts.ts'
import type { Profiles } from './profiles.ts'

/** A user as the directory shows them. */
export interface DirectoryEntry {
  readonly userId: UserId
  readonly displayName?: string
  readonly avatarUrl?: string
}

/** Where the directory finds users of other servers. */
export interface DirectorySource {
  /** Rooms whose members `userId` may find: those they are in, and public or world-readable ones known here. */
  rooms(userId: UserId): Promise<Iterable<RoomId>>
  /** Joined members with their profile in the room. */
  members(roomId: RoomId): Promise<Iterable<DirectoryEntry>>
}

/** Searching for users (Client-Server API, "User Directory"). */
export class UserDirectory {
  readonly #accounts: Accounts
  readonly #profiles: Profiles
  readonly #source: DirectorySource
  readonly #serverName: ServerName

  constructor(deps: { accounts: Accounts; profiles: Profiles; source: DirectorySource; serverName: ServerName }) {
    this.#accounts = deps.accounts
    this.#profiles = deps.profiles
    this.#source = deps.source
    this.#serverName = deps.serverName
  }

  /** Users whose id or display name contains `term`, the best first: local ones, and members of rooms `reader` may see. */
  async search(reader: UserId, term: string, limit: number): Promise<{ results: DirectoryEntry[]; limited: boolean }> {
    const sought = term.trim().replace(/^@/, '').toLowerCase()
    const found = new Map<UserId, { entry: DirectoryEntry; rank: number }>()
    const consider = (entry: DirectoryEntry) => {
      const rank = rankOf(entry, sought)
      const known = found.get(entry.userId)
      if (rank !== undefined && entry.userId !== reader && (!known || known.rank < rank)) found.set(entry.userId, { entry, rank })
    }
    for (const userId of await this.#accounts.all()) consider(await this.#localEntry(userId))
    for (const roomId of await this.#source.rooms(reader)) {
      // A local user's own profile is better than what a room has of it.
      for (const entry of await this.#source.members(roomId)) if (serverNameOf(entry.userId) !== this.#serverName) consider(entry)
    }
    const ranked = [...found.values()].sort((a, b) => b.rank - a.rank || (a.entry.userId < b.entry.userId ? -1 : 1))
    return { results: ranked.slice(0, limit).map(({ entry }) => entry), limited: ranked.length > limit }
  }

  async #localEntry(userId: UserId): Promise<DirectoryEntry> {
    const { displayname, avatar_url } = (await this.#profiles.local(userId)) ?? {}
    return {
      userId,
      ...(typeof displayname === 'string' ? { displayName: displayname } : {}),
      ...(typeof avatar_url === 'string' ? { avatarUrl: avatar_url } : {}),
    }
  }
}

/** Whole names before beginnings before anything; then those with a profile. `undefined` where `sought` is not in it. */
function rankOf({ userId, displayName, avatarUrl }: DirectoryEntry, sought: string): number | undefined {
  const id = userId.slice(1).toLowerCase()
  const names = [id, id.slice(0, id.indexOf(':')), ...(displayName === undefined ? [] : [displayName.toLowerCase()])]
  const match = names.includes(sought)
    ? 3
    : names.some((name) => name.startsWith(sought))
      ? 2
      : names.some((name) => name.includes(sought))
        ? 1
        : 0
  if (match === 0) return undefined
  return match * 3 + (displayName === undefined ? 0 : 1) + (avatarUrl === undefined ? 0 : 1)
}
