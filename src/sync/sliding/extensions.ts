import type { StickyEvents } from '../../rooms/sticky-events.ts'
import type { RoomId } from '../../spec/event.ts'
import type { JsonObject, JsonValue } from '../../spec/json.ts'
import type { StoredMembership } from '../../storage/tables/rooms.ts'
import type { Position } from '../../streams/stream.ts'
import { receiptEvent } from '../../users/receipts.ts'
import type { DeviceListTracker } from '../device-list-changes.ts'
import type { RoomViews } from '../room-views.ts'
import type { ReceiptEntry, SyncSources } from '../sources.ts'
import { stickyLimit, writeSticky } from '../sticky.ts'
import { mostThreadChanges, threadsJson } from '../thread-changes.ts'
import type { Tokens } from '../token.ts'
import { Viewpoint } from '../viewpoint.ts'
import type { SentRoom } from './connections.ts'
import type { RoomExtension, SlidingSyncBody } from './request.ts'
import type { Wanted } from './room-lists.ts'
import type { SlidingPass } from './sliding-room.ts'

/** A pass with what the extensions need of its rooms. */
export interface ExtensionPass extends SlidingPass {
  readonly body: SlidingSyncBody
  readonly wanted: Wanted
  readonly sent: ReadonlyMap<RoomId, SentRoom>
  readonly memberships: ReadonlyMap<RoomId, StoredMembership>
  /** The events shown of each room. */
  readonly shown: ReadonlyMap<RoomId, ReadonlySet<string>>
}

/** What the extensions have to say, and whether any of it is worth ending a wait for. */
interface Told {
  readonly json: JsonObject
  readonly isNews: boolean
}

const mostMessages = 100
const mostThreads = 100
const threadsName = 'io.element.msc4308.thread_subscriptions'
const stickyName = 'org.matrix.msc4354.sticky_events'

interface Deps {
  readonly sources: SyncSources
  readonly deviceLists: DeviceListTracker
  readonly views: RoomViews
  readonly sticky: StickyEvents
  readonly tokens: Tokens
}

/** Writes what a sliding sync asks for beside rooms (MSC4186, "Extensions"; MSC3884, MSC3885, MSC3959 to MSC3961). */
export class Extensions {
  readonly #deps: Deps
  readonly #sources: SyncSources
  readonly #deviceLists: DeviceListTracker

  constructor(deps: Deps) {
    this.#deps = deps
    this.#sources = deps.sources
    this.#deviceLists = deps.deviceLists
  }

  async write(pass: ExtensionPass): Promise<Told> {
    const { to_device: toDevice, e2ee, account_data: accountData, receipts, typing, ...drafts } = pass.body.extensions ?? {}
    const [threads, sticky] = [drafts[threadsName], drafts[stickyName]]
    const told = await Promise.all([
      toDevice?.enabled ? this.#toDevice(pass, toDevice) : undefined,
      e2ee?.enabled ? this.#encryption(pass) : undefined,
      accountData?.enabled ? this.#accountData(pass, roomsOf(pass, accountData)) : undefined,
      receipts?.enabled ? this.#receipts(pass, roomsOf(pass, receipts)) : undefined,
      typing?.enabled ? this.#typing(pass, roomsOf(pass, typing)) : undefined,
      threads?.enabled ? this.#threads(pass, threads.limit ?? mostThreads) : undefined,
      sticky?.enabled ? this.#sticky(pass, sticky) : undefined,
    ])
    const names = ['to_device', 'e2ee', 'account_data', 'receipts', 'typing', threadsName, stickyName] as const
    return {
      json: Object.fromEntries(told.flatMap((part, i): [string, JsonValue][] => (part?.json ? [[names[i] ?? '', part.json]] : []))),
      isNews: told.some((part) => part?.isNews),
    }
  }

  async #toDevice(
    { userId, deviceId, upTo }: ExtensionPass,
    request: { readonly since?: string | null | undefined; readonly limit?: number | null | undefined },
  ): Promise<Partial<Told>> {
    const since = Number(request.since ?? 0)
    if (since > 0) await this.#sources.toDevice.acknowledge(userId, deviceId, Math.min(since, upTo))
    const limit = Math.min(request.limit ?? mostMessages, mostMessages)
    const { events, through } = await this.#sources.toDevice.pending(userId, deviceId, { since, upTo, limit })
    return { json: { next_batch: String(Math.max(through, since)), events: [...events] }, isNews: events.length > 0 }
  }

  async #encryption(pass: ExtensionPass): Promise<Partial<Told>> {
    const { userId, deviceId, since, upTo } = pass
    const { oneTimeKeys } = this.#sources
    const [counts, fallbackTypes, lists] = await Promise.all([
      oneTimeKeys.counts(userId, deviceId),
      oneTimeKeys.unusedFallbackTypes(userId, deviceId),
      since === undefined ? undefined : this.#deviceListChanges({ ...pass, since }),
    ])
    const moved = lists && lists.changed.length + lists.left.length > 0
    return {
      json: {
        device_one_time_keys_count: counts,
        device_unused_fallback_key_types: fallbackTypes,
        ...(moved ? { device_lists: { changed: [...lists.changed], left: [...lists.left] } } : {}),
      },
      isNews: moved || (since !== undefined && oneTimeKeys.changedAfter(userId, deviceId, since) && upTo > since),
    }
  }

  async #deviceListChanges(span: ExtensionPass & { readonly since: Position }) {
    return this.#deviceLists.changes(span, await this.#deviceLists.moves(span))
  }

  async #accountData({ userId, since, upTo, sent }: ExtensionPass, rooms: ReadonlySet<RoomId>): Promise<Partial<Told>> {
    const { accountData } = this.#sources
    const anew = [...rooms].filter((roomId) => isAnew(sent.get(roomId)))
    const all = since === undefined || anew.length > 0 ? await accountData.all(userId) : []
    const changed = since === undefined ? all : await accountData.changedSince(userId, since, upTo)
    const byRoom = new Map<RoomId, JsonObject[]>()
    const add = (roomId: RoomId, event: JsonObject) => byRoom.set(roomId, [...(byRoom.get(roomId) ?? []), event])
    for (const { roomId, type, content } of all) if (roomId !== '' && anew.includes(roomId)) add(roomId, { type, content })
    for (const { roomId, type, content } of changed)
      if (roomId !== '' && rooms.has(roomId) && !anew.includes(roomId)) add(roomId, { type, content })
    const global = changed.flatMap(({ roomId, type, content }) => (roomId === '' ? [{ type, content }] : []))
    return news({ global, rooms: Object.fromEntries(byRoom) }, global.length + byRoom.size)
  }

  async #receipts(pass: ExtensionPass, rooms: ReadonlySet<RoomId>): Promise<Partial<Told>> {
    const { userId, since, upTo, sent, ignored } = pass
    const moved = since === undefined ? [] : await this.#sources.receipts.changedSince(since, upTo)
    const byRoom = Map.groupBy(moved, ({ roomId }) => roomId)
    const told = new Map<RoomId, JsonObject>()
    for (const roomId of rooms) {
      const isNew = isAnew(sent.get(roomId)) && pass.shown.has(roomId)
      const entries = isNew ? await this.#receiptsShown(pass, roomId) : (byRoom.get(roomId) ?? [])
      const visible = entries.filter((entry) => !ignored.has(entry.userId) && (entry.type !== 'm.read.private' || entry.userId === userId))
      if (visible.length > 0) told.set(roomId, receiptEvent(visible))
    }
    return news({ rooms: Object.fromEntries(told) }, told.size)
  }

  /** Of a room that is told anew: receipts of the events shown, and the user's own. */
  async #receiptsShown({ userId, shown }: ExtensionPass, roomId: RoomId): Promise<ReceiptEntry[]> {
    const all = await this.#sources.receipts.inRoom(roomId)
    return all.filter((entry) => entry.userId === userId || shown.get(roomId)?.has(entry.eventId))
  }

  /** Of all rooms the user is in (MSC4354, as Synapse's `handlers/sliding_sync/extensions.py` has it). */
  async #sticky(pass: ExtensionPass, request: { readonly since?: string | null | undefined; readonly limit?: number | null | undefined }) {
    const { views, sticky } = this.#deps
    const { userId, deviceId, memberships, ignored, upTo } = pass
    const since = Number(request.since?.slice('sticky_'.length) ?? 0)
    const from = (roomId: RoomId) => {
      const known = memberships.get(roomId)
      return known?.membership !== 'join' ? undefined : known.position > since ? 0 : since
    }
    const { byRoom, through } = sticky.between(from, { upTo, limit: Math.min(request.limit ?? stickyLimit, stickyLimit) })
    const rooms = await Promise.all(
      [...byRoom].map(async ([roomId, eventIds]) => {
        const viewpoint = new Viewpoint(views.store, { userId, roomId, ignored })
        const shown = pass.shown.get(roomId) ?? new Set()
        return [roomId, await writeSticky(views, { viewpoint, deviceId }, { eventIds, shown, ignored })] as const
      }),
    )
    const told = rooms.flatMap(([roomId, events]) => (events.length > 0 ? [[roomId, { events }] as const] : []))
    return news({ next_batch: `sticky_${through}`, rooms: Object.fromEntries(told) }, byRoom.size)
  }

  /** MSC4308, as Synapse's `handlers/sliding_sync/extensions.py` has it. */
  async #threads({ userId, since, upTo }: ExtensionPass, limit: number): Promise<Partial<Told>> {
    const span = { since: since ?? 0, upTo, limit: Math.min(limit, mostThreadChanges) }
    const { changes, olderUpTo } = await this.#sources.threadSubscriptions.newest(userId, span)
    const json = threadsJson(changes)
    return news(olderUpTo === undefined ? json : { ...json, prev_batch: this.#deps.tokens.sync({ position: olderUpTo }) }, changes.length)
  }

  async #typing({ since, upTo, sent }: ExtensionPass, rooms: ReadonlySet<RoomId>): Promise<Partial<Told>> {
    const { typing } = this.#sources
    const changed = new Set(since === undefined ? [] : typing.changedSince(since, upTo))
    const told = [...rooms].filter((roomId) => changed.has(roomId) || (isAnew(sent.get(roomId)) && typing.now(roomId).length > 0))
    return news({ rooms: Object.fromEntries(told.map((roomId) => [roomId, typing.event(roomId)])) }, told.length)
  }
}

function news(json: JsonObject, count: number): Partial<Told> {
  return count > 0 ? { json, isNews: true } : {}
}

/** Whether the connection knows nothing of a room, or has not followed it. */
function isAnew(sent: SentRoom | undefined): boolean {
  return sent === undefined || sent.position !== undefined
}

/** The rooms that an extension is asked about: of all lists and subscriptions unless some are named. */
function roomsOf({ wanted }: ExtensionPass, request: RoomExtension): Set<RoomId> {
  const listNames = request.lists ?? ['*']
  const rooms = request.rooms ?? ['*']
  const found = new Set<RoomId>()
  for (const [name, { windows }] of wanted.lists)
    if (listNames.includes('*') || listNames.includes(name))
      for (const { roomIds } of windows) for (const roomId of roomIds) found.add(roomId)
  for (const roomId of wanted.subscribed) if (rooms.includes('*') || rooms.includes(roomId)) found.add(roomId)
  return found
}
