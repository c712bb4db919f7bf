import type { EventRecord, TimelinePoint } from '../rooms/room-store.ts'
import type { JsonObject } from '../spec/json.ts'
import type { PushVerdict } from '../spec/push-rules.ts'
import type { Position } from '../streams/stream.ts'
import { type JudgeSources, mayNotify, PushJudge, readMarks } from './push-judge.ts'
import type { Reader, RoomView, RoomViews } from './room-views.ts'
import type { SyncSources } from './sources.ts'
import { pointOf } from './timeline.ts'

type NotificationSources = JudgeSources & Pick<SyncSources, 'receipts'>

interface Notification {
  readonly record: EventRecord
  readonly verdict: PushVerdict
  readonly view: RoomView
  readonly read: boolean
}

const pageSize = 100
/** How many events of each room are looked at in search of a page. */
const roomLimit = 500

/** Lists what users were notified of (Client-Server API, `GET /notifications`). */
export class Notifications {
  readonly #views: RoomViews
  readonly #sources: NotificationSources
  readonly #judge: PushJudge

  constructor(deps: { readonly views: RoomViews; readonly sources: NotificationSources }) {
    this.#views = deps.views
    this.#sources = deps.sources
    const { store, members, relations } = deps.views
    this.#judge = new PushJudge({ store, members, relations, sources: deps.sources })
  }

  /** The newest notifications from before a position; `next` goes on from them. */
  async page(
    reader: Reader,
    wish: { readonly before: Position; readonly limit: number; readonly highlightsOnly: boolean },
  ): Promise<{ notifications: JsonObject[]; next: Position | undefined }> {
    const found: Notification[] = []
    for (const roomId of await this.#views.store.joinedRooms(reader.userId)) {
      found.push(...(await this.#inRoom(reader, await this.#views.openJoined(reader, roomId), wish)))
    }
    found.sort((a, b) => b.record.position - a.record.position)
    const shown = found.slice(0, wish.limit)
    return {
      notifications: await Promise.all(shown.map((notification) => this.#write(notification))),
      next: found.length > shown.length ? shown.at(-1)?.record.position : undefined,
    }
  }

  /** One more than the page takes, so that it is known whether there are more. */
  async #inRoom(
    reader: Reader,
    view: RoomView,
    wish: { readonly before: Position; readonly limit: number; readonly highlightsOnly: boolean },
  ): Promise<Notification[]> {
    const { store, relations } = this.#views
    const judge = await this.#judge.of(reader.userId, view.room)
    const marks = await readMarks(store, await this.#sources.receipts.ofUser(view.room.roomId, reader.userId))
    const found: Notification[] = []
    let place: TimelinePoint | undefined
    for (let seen = 0; seen < roomLimit && found.length <= wish.limit; seen += pageSize) {
      const page = await store.timeline(view.room.roomId, { direction: 'backwards', limit: pageSize, ...(place ? { from: place } : {}) })
      const candidates = page.filter((record) => record.position < wish.before && mayNotify(record))
      for (const record of await view.viewpoint.visible(candidates)) {
        const verdict = await judge(record.event)
        if (!verdict?.notify || (wish.highlightsOnly && !verdict.highlight)) continue
        const mark = Math.max(marks.get('') ?? 0, marks.get(await relations.threadOf(record.event)) ?? 0)
        found.push({ record, verdict, view, read: record.position <= mark })
      }
      const oldest = page.at(-1)
      if (!oldest || page.length < pageSize) break
      place = pointOf(oldest)
    }
    return found
  }

  async #write({ record, verdict, view, read }: Notification): Promise<JsonObject> {
    const [event] = await this.#views.events.write([record], { ...view.audience, withRoomId: false })
    return { actions: [...verdict.actions], event: event ?? {}, read, room_id: view.room.roomId, ts: record.stored.receivedTs }
  }
}
