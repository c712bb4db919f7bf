import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import { forbidden, invalidParam, MatrixError, notFound, tooLarge } from '../spec/errors.ts'
import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { parseRoomAlias } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import { powerLevelsOf } from '../spec/power-levels.ts'
import { aliases, publicRooms } from '../storage/tables/rooms.ts'
import { Turns } from '../streams/turns.ts'
import type { MemberLists } from './member-lists.ts'
import type { RemoteServers } from './remote.ts'
import { overviewOf, type RoomOverview } from './room-overview.ts'
import type { Room, RoomStore } from './room-store.ts'
import type { RoomSender } from './send.ts'

interface DirectoryDeps {
  readonly storage: Storage
  readonly store: RoomStore
  readonly members: MemberLists
  readonly sender: RoomSender
  readonly remote: Pick<RemoteServers, 'resolveAlias'>
  readonly serverName: ServerName
}

interface AliasRemoval {
  readonly userId: UserId
  readonly isAdmin: boolean
  /** Written in the same commit. */
  readonly alongside?: readonly Write[]
}

/** Aliases of this server that a room may have. */
const aliasLimit = 100
/** The most servers an answer names as ways into a room. */
const viaLimit = 50

/** Room aliases, and the rooms this server publishes (Client-Server API, "Room aliases", "Published room directory"). */
export class Directory {
  readonly #deps: DirectoryDeps
  readonly #turns = new Turns()

  constructor(deps: DirectoryDeps) {
    this.#deps = deps
  }

  /** The room of an alias of any server, and servers to enter it by. Throws `M_INVALID_PARAM`, `M_NOT_FOUND`. */
  async resolve(alias: string): Promise<{ readonly roomId: RoomId; readonly servers: readonly ServerName[] }> {
    const parsed = parseRoomAlias(alias)
    if (!parsed) throw invalidParam('This is not a room alias')
    if (parsed.serverName !== this.#deps.serverName) return this.#deps.remote.resolveAlias(parsed.serverName, alias)
    const found = await this.#local(alias)
    if (!found) throw notFound('There is no such room alias')
    const servers = await this.#deps.store.servers(found.roomId)
    return {
      roomId: found.roomId,
      servers: [this.#deps.serverName, ...[...servers].filter((server) => server !== this.#deps.serverName)].slice(0, viaLimit),
    }
  }

  /**
   * Throws `M_INVALID_PARAM` for an alias that this server cannot give, 409 `M_UNKNOWN` for one that is taken, `M_TOO_LARGE` where
   * the room has too many.
   */
  add(alias: string, room: { readonly roomId: RoomId; readonly creator: UserId }, alongside: readonly Write[] = []): Promise<void> {
    return this.claim(alias, async () => {
      if ((await this.aliasesOf(room.roomId)).length >= aliasLimit) throw tooLarge(`A room may have ${aliasLimit} aliases here`)
      await this.#deps.storage.commit([put(aliases, alias, room), ...alongside], 'strict')
    })
  }

  /** Lets `commit` write the alias, which is free and stays so until then. Throws what {@link add} does. */
  async claim<T>(alias: string, commit: () => Promise<T>): Promise<T> {
    if (parseRoomAlias(alias)?.serverName !== this.#deps.serverName) throw invalidParam('This server cannot give this room alias')
    return this.#turns.take(alias, async () => {
      if (await this.#local(alias)) throw new MatrixError(409, 'M_UNKNOWN', { message: `Room alias ${alias} already exists` })
      return commit()
    })
  }

  /** Whether an alias of this server is taken. */
  async isTaken(alias: string): Promise<boolean> {
    return (await this.#local(alias)) !== undefined
  }

  /**
   * Removes an alias for `userId`, who made it or may change the room's canonical alias; there the alias is removed as well,
   * as far as the user may. Throws `M_NOT_FOUND`, `M_FORBIDDEN`.
   */
  async remove(alias: string, { userId, isAdmin, alongside = [] }: AliasRemoval): Promise<void> {
    const found = await this.#local(alias)
    if (!found) throw notFound('There is no such room alias')
    const room = await this.#deps.store.room(found.roomId)
    const mayChange = room !== undefined && (await this.#mayChangeAliases(room, userId))
    if (found.creator !== userId && !isAdmin && !mayChange)
      throw forbidden('Only its creator, or who may change the room, may remove an alias')
    await this.#deps.storage.commit([remove(aliases, alias), ...alongside], 'strict')
    if (room && mayChange) await this.#withdraw(alias, room, userId)
  }

  /** What is to be written so that another room takes a room's aliases and its place in the published directory. */
  async replaced(from: RoomId, to: RoomId, creator: UserId): Promise<Write[]> {
    const moved = await this.aliasesOf(from)
    return [...moved.map((alias) => put(aliases, alias, { roomId: to, creator })), remove(publicRooms, from)]
  }

  /** This server's aliases of a room. */
  async aliasesOf(roomId: RoomId): Promise<string[]> {
    const rows = await this.#deps.storage.read([aliases], (tx) => tx.range(aliases, {}))
    return rows.filter(([, room]) => room.roomId === roomId).map(([alias]) => alias)
  }

  /** Whether the room is in the published directory. */
  async isPublished(roomId: RoomId): Promise<boolean> {
    return (await this.#deps.storage.read([publicRooms], (tx) => tx.get(publicRooms, roomId))) !== undefined
  }

  async publish(roomId: RoomId, published: boolean): Promise<void> {
    await this.#deps.storage.commit([published ? put(publicRooms, roomId, true) : remove(publicRooms, roomId)], 'strict')
  }

  /** What the directory shows, largest rooms first. */
  async published(): Promise<RoomOverview[]> {
    const { storage, store, members } = this.#deps
    const rows = await storage.read([publicRooms], (tx) => tx.range(publicRooms, {}))
    const rooms = await Promise.all(rows.map(([roomId]) => store.room(roomId)))
    const overviews = await Promise.all(rooms.flatMap((room) => (room ? [overviewOf(room, { store, members })] : [])))
    return overviews.sort((a, b) => b.joinedMembers - a.joinedMembers || (a.roomId < b.roomId ? -1 : 1))
  }

  /**
   * Checks the aliases that a new `m.room.canonical_alias` brings. Throws `M_INVALID_PARAM` for what is no alias,
   * `M_BAD_ALIAS` for one that does not lead to the room.
   */
  async checkCanonical(roomId: RoomId, content: JsonObject): Promise<void> {
    const room = await this.#deps.store.room(roomId)
    const current = room && (await this.#deps.store.stateEvent(room.state, 'm.room.canonical_alias', ''))
    const known = new Set(listedAliases(current?.content ?? {}))
    for (const alias of listedAliases(content)) {
      if (known.has(alias)) continue
      if (!parseRoomAlias(alias)) throw invalidParam(`${alias} is not a room alias`)
      const resolved = await this.resolve(alias).catch(() => undefined)
      if (resolved?.roomId !== roomId) throw new MatrixError(400, 'M_BAD_ALIAS', { message: `${alias} does not point to this room` })
    }
  }

  #local(alias: string): Promise<{ readonly roomId: RoomId; readonly creator: UserId } | undefined> {
    return this.#deps.storage.read([aliases], (tx) => tx.get(aliases, alias))
  }

  async #mayChangeAliases(room: Room, userId: UserId): Promise<boolean> {
    const { store } = this.#deps
    const [create, levels, member] = await Promise.all([
      store.stateEvent(room.state, 'm.room.create', ''),
      store.stateEvent(room.state, 'm.room.power_levels', ''),
      store.stateEvent(room.state, 'm.room.member', userId),
    ])
    if (member?.content.membership !== 'join') return false
    const power = powerLevelsOf(room.rules, create, levels)
    return power.user(userId) >= power.event('m.room.canonical_alias', true)
  }

  async #withdraw(alias: string, room: Room, userId: UserId): Promise<void> {
    const content = (await this.#deps.store.stateEvent(room.state, 'm.room.canonical_alias', ''))?.content
    if (!content || !listedAliases(content).includes(alias)) return
    const { alias: main, alt_aliases: others, ...rest } = content
    const left = Array.isArray(others) ? others.filter((other) => other !== alias) : []
    await this.#deps.sender.send({
      roomId: room.roomId,
      sender: userId,
      type: 'm.room.canonical_alias',
      stateKey: '',
      content: {
        ...rest,
        ...(main === alias || main === undefined ? {} : { alias: main }),
        ...(left.length > 0 ? { alt_aliases: left } : {}),
      },
    })
  }
}

function listedAliases(content: JsonObject): string[] {
  const { alias, alt_aliases: others } = content
  return [alias, ...(Array.isArray(others) ? others : [])].flatMap((one) => (typeof one === 'string' && one !== '' ? [one] : []))
}
