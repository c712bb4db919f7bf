import type { RoomId, UserId } from '../../spec/event.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import { Lru } from '../../storage/lru.ts'
import type { Position } from '../../streams/stream.ts'
import type { AccountDataChange, SyncSources } from '../sources.ts'

/** What a user's account data says of rooms. */
export interface Labels {
  /** Rooms for one other person (`m.direct`). */
  readonly direct: ReadonlySet<string>
  readonly tags: ReadonlyMap<RoomId, ReadonlySet<string>>
}

/** Reads users' labels once, and again when they changed. */
export class RoomLabels {
  readonly #accountData: SyncSources['accountData']
  readonly #known = new Lru<UserId, { readonly at: Position; readonly labels: Labels }>(200)

  constructor(accountData: SyncSources['accountData']) {
    this.#accountData = accountData
  }

  async of(userId: UserId, at: Position): Promise<Labels> {
    const known = this.#known.get(userId)
    const isCurrent = known && (known.at >= at || (await this.#accountData.changedSince(userId, known.at, at)).length === 0)
    const labels = isCurrent ? known.labels : labelsOf(await this.#accountData.all(userId))
    this.#known.set(userId, { at, labels })
    return labels
  }
}

function labelsOf(data: readonly AccountDataChange[]): Labels {
  const direct = new Set<string>()
  const tags = new Map<RoomId, Set<string>>()
  for (const { roomId, type, content } of data) {
    if (roomId === '' && type === 'm.direct') for (const room of roomsOf(content)) direct.add(room)
    if (roomId !== '' && type === 'm.tag' && isObject(content.tags)) tags.set(roomId, new Set(Object.keys(content.tags)))
  }
  return { direct, tags }
}

function roomsOf(content: JsonObject): string[] {
  return Object.values(content).flatMap((rooms) => (Array.isArray(rooms) ? rooms.filter((room) => typeof room === 'string') : []))
}
