import type { EventRecord, TimelinePoint } from '../rooms/room-store.ts'
import type { EventId, UserId } from '../spec/event.ts'
import { redactedRecord } from './client-event.ts'
import { relationOf } from './relations.ts'
import type { RoomView, RoomViews } from './room-views.ts'
import { pointOf } from './timeline.ts'
import type { PageToken } from './token.ts'

interface ThreadsWish {
  readonly from: PageToken | undefined
  /** Only threads in which this user has said something. */
  readonly participant: UserId | undefined
  readonly limit: number
}

/** Roots of threads, those with the newest replies first, and where the rest begins. */
interface ThreadsPage {
  readonly shown: readonly EventRecord[]
  readonly next: TimelinePoint | undefined
}

/** Replies in threads that one request looks at: where they are not enough for a page, the next goes on. */
const lookLimit = 5000
/** Replies in one thread that are looked at to learn whether a user takes part, or whether it was listed before. */
const replyLimit = 1000
const pageSize = 100

/**
 * A page of a room's threads (Client-Server API, "Querying threads in a room"). Replies are walked through from the newest on: the
 * first of each thread is its latest, and gives the thread its place.
 */
export async function threadsPage(views: RoomViews, view: RoomView, wish: ThreadsWish): Promise<ThreadsPage> {
  const { from, limit } = wish
  const found: { readonly root: EventRecord; readonly latest: EventRecord }[] = []
  const decided = new Set<EventId>()
  let point = from && 'point' in from ? from.point : undefined
  let ended = false
  // What most often is enough at first.
  let size = limit + 1
  for (let looked = 0; looked < lookLimit && found.length <= limit && !ended; looked += size) {
    if (looked > 0) size = pageSize
    const places = await views.relations.threadReplies(view.room.roomId, { direction: 'backwards', from: point, limit: size })
    await views.store.events(places.flatMap(({ root, eventId }) => (decided.has(root) ? [] : [eventId])))
    for (const { root: rootId, eventId } of places) {
      if (decided.has(rootId)) continue
      const [latest] = await view.viewpoint.visible(await views.relations.related(rootId, [eventId]))
      if (!latest || (from && 'position' in from && latest.position > from.position)) continue
      decided.add(rootId)
      const root = await rootOf(views, view, { rootId, wish })
      if (root) found.push({ root, latest })
    }
    ended = places.length < size
    point = places.at(-1)?.point ?? point
  }
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  const rest = ended ? undefined : point
  return { shown: shown.map(({ root }) => root), next: last && found.length > shown.length ? pointOf(last.latest) : rest }
}

/** The root of a thread, if it is one that belongs to this page or a later one. */
async function rootOf(
  views: RoomViews,
  view: RoomView,
  { rootId, wish }: { readonly rootId: EventId; readonly wish: ThreadsWish },
): Promise<EventRecord | undefined> {
  const { viewpoint } = view
  const { from, participant } = wish
  const root = await views.store.event(rootId)
  if (!root || relationOf(root.event.content) || !(await viewpoint.mayRead(root))) return undefined
  const isListed = from && 'point' in from && (await someReply(views, view, { rootId, after: from.point, wanted: () => true }))
  if (isListed) return undefined
  const takesPart =
    participant === undefined ||
    root.event.sender === participant ||
    (await someReply(views, view, { rootId, after: undefined, wanted: ({ event }) => event.sender === participant }))
  if (!takesPart) return undefined
  // A root of someone ignored is shown without what it said.
  return (await viewpoint.maySee(root)) ? root : redactedRecord(root)
}

/** Whether any reply in a thread, from a point of the room on, is as it is wanted. */
async function someReply(
  views: RoomViews,
  view: RoomView,
  {
    rootId,
    after,
    wanted,
  }: { readonly rootId: EventId; readonly after: TimelinePoint | undefined; readonly wanted: (reply: EventRecord) => boolean },
): Promise<boolean> {
  let point = after
  for (let looked = 0; looked < replyLimit; looked += pageSize) {
    const places = await views.relations.page(view.room.roomId, rootId, { direction: 'forwards', from: point, limit: pageSize })
    const eventIds = places.flatMap(({ type, eventId }) => (type === 'm.thread' ? [eventId] : []))
    const replies = await view.viewpoint.visible(await views.relations.related(rootId, eventIds))
    if (replies.some(wanted)) return true
    const end = places.at(-1)?.point
    if (!end || places.length < pageSize) return false
    point = { ...end, position: end.position + 1 }
  }
  return false
}
