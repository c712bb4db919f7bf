import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { currentContent } from '../../rooms/current-content.ts'
import type { EventRecord, TimelinePoint } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import type { EventId } from '../../spec/event.ts'
import { descendantsOf, recursionDepth } from '../../sync/descendants.ts'
import { relationOf } from '../../sync/relations.ts'
import type { RoomView, RoomViews } from '../../sync/room-views.ts'
import { threadsPage } from '../../sync/thread-list.ts'
import { comparePoints, pointOf } from '../../sync/timeline.ts'
import type { PageToken, Tokens } from '../../sync/token.ts'
import { booleanText, bounded, eventIdOf, eventTypeOf, numberText, roomIdOf, tokenText } from './room-fields.ts'

interface RoomRelationsDeps {
  readonly views: RoomViews
  readonly tokens: Tokens
}

const path = '/_matrix/client/v1/rooms/:roomId/relations/:eventId'
/** Related events, or threads, in a page. */
const limits = { fallback: 20, most: 100, least: 1 }
/** Related events that one request looks at: where they are not enough for a page, the next goes on. */
const lookLimit = 2000
const pageSize = 100

/** Events that relate to others, and threads (Client-Server API, "Relationships API", "Threading"). */
export function roomRelationsEndpoints(deps: RoomRelationsDeps): Endpoint[] {
  return [relationsEndpoint(deps), threadsEndpoint(deps)]
}

function relationsEndpoint({ views, tokens }: RoomRelationsDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: [path, `${path}/:relType`, `${path}/:relType/:eventType`],
    query: v.object({
      from: v.optional(tokenText),
      to: v.optional(tokenText),
      limit: v.optional(numberText),
      dir: v.optional(v.picklist(['b', 'f'])),
      recurse: v.optional(booleanText),
    }),
    handle: async ({ session, params, query }) => {
      const view = await views.open(session, roomIdOf(params)).catch(() => undefined)
      if (!view) throw notFound('There is no such event, or you may not see it')
      const parent = await views.eventFor(view, eventIdOf(params))
      const isRecursive = query.recurse === 'true'
      const type = params.eventType === undefined ? undefined : eventTypeOf(params)
      const wish = {
        parent: parent.event.eventId,
        relType: params.relType,
        type,
        isBackwards: query.dir !== 'f',
        from: query.from === undefined ? undefined : tokens.parsePage(query.from),
        to: query.to === undefined ? undefined : tokens.parsePage(query.to),
        limit: bounded(query.limit, limits),
      }
      const { shown, next } = await (isRecursive ? descendants(views, view, wish) : children(views, view, wish))
      return {
        chunk: await views.aggregations.write(shown, view.audience),
        ...(next ? { next_batch: tokens.page(next) } : {}),
        ...(query.from === undefined ? {} : { prev_batch: query.from }),
        ...(isRecursive ? { recursion_depth: recursionDepth } : {}),
      }
    },
  })
}

interface RelationsWish {
  readonly parent: EventId
  readonly relType: string | undefined
  readonly type: string | undefined
  readonly isBackwards: boolean
  readonly from: PageToken | undefined
  readonly to: PageToken | undefined
  readonly limit: number
}

/** Some of what relates to an event, in order, and where the rest begins. */
interface RelationsPage {
  readonly shown: readonly EventRecord[]
  readonly next: TimelinePoint | undefined
}

async function children(views: RoomViews, view: RoomView, wish: RelationsWish): Promise<RelationsPage> {
  const { isBackwards, from, limit } = wish
  const found: EventRecord[] = []
  let point = from && 'point' in from ? from.point : undefined
  let ended = false
  // What most often is enough at first.
  let size = limit + 1
  for (let looked = 0; looked < lookLimit && found.length <= limit && !ended; looked += size) {
    if (looked > 0) size = pageSize
    const direction = isBackwards ? 'backwards' : 'forwards'
    const places = await views.relations.page(view.room.roomId, wish.parent, { direction, from: point, limit: size })
    const eventIds = places.flatMap(({ type, eventId }) => (wish.relType === undefined || wish.relType === type ? [eventId] : []))
    const related = await view.viewpoint.visible(await views.relations.related(wish.parent, eventIds))
    found.push(...related.filter((record) => isWanted(record, wish)))
    ended = places.length < size
    point = beyond(places.at(-1)?.point, isBackwards) ?? point
  }
  return pageOf(found, wish, ended ? undefined : point)
}

/** Events that relate to `parent`, directly or through others. */
async function descendants(views: RoomViews, view: RoomView, wish: RelationsWish): Promise<RelationsPage> {
  const all = await descendantsOf(views, view.room.roomId, wish.parent)
  const places = (wish.isBackwards ? all : all.toReversed()).filter(
    ({ type, point }) => (wish.relType === undefined || wish.relType === type) && isBetween(point, wish),
  )
  const found: EventRecord[] = []
  let looked = 0
  for (let size = wish.limit + 1; looked < Math.min(places.length, lookLimit) && found.length <= wish.limit; size = pageSize) {
    const eventIds = places.slice(looked, looked + size).map(({ eventId }) => eventId)
    const records = await views.store.events(eventIds)
    const related = eventIds.flatMap((eventId) => records.get(eventId) ?? []).filter((record) => relationOf(currentContent(record)))
    found.push(...(await view.viewpoint.visible(related)).filter((record) => isWanted(record, wish)))
    looked += eventIds.length
  }
  return pageOf(found, wish, looked < places.length ? beyond(places[looked - 1]?.point, wish.isBackwards) : undefined)
}

function pageOf(found: readonly EventRecord[], { limit, isBackwards }: RelationsWish, rest: TimelinePoint | undefined): RelationsPage {
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  return { shown, next: found.length > shown.length && last ? beyond(pointOf(last), isBackwards) : rest }
}

/** Where a walk goes on after a place. */
function beyond(point: TimelinePoint | undefined, isBackwards: boolean): TimelinePoint | undefined {
  return point && !isBackwards ? { ...point, position: point.position + 1 } : point
}

function isWanted(record: EventRecord, wish: RelationsWish): boolean {
  return (wish.type === undefined || record.event.type === wish.type) && isBetween(pointOf(record), wish)
}

function isBetween(
  point: TimelinePoint,
  { isBackwards, from, to }: { readonly isBackwards: boolean; readonly from: PageToken | undefined; readonly to: PageToken | undefined },
): boolean {
  const isPastFrom = from === undefined || isBefore(point, from) === isBackwards
  const isShortOfTo = to === undefined || isBefore(point, to) !== isBackwards
  return isPastFrom && isShortOfTo
}

function isBefore(point: TimelinePoint, token: PageToken): boolean {
  return 'position' in token ? point.position <= token.position : comparePoints(point, token.point) < 0
}

function threadsEndpoint({ views, tokens }: RoomRelationsDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/:roomId/threads',
    query: v.object({
      include: v.optional(v.picklist(['all', 'participated'])),
      limit: v.optional(numberText),
      from: v.optional(tokenText),
    }),
    handle: async ({ session, params, query }) => {
      const view = await views.open(session, roomIdOf(params))
      const from = query.from === undefined ? undefined : tokens.parsePage(query.from)
      const { shown, next } = await threadsPage(views, view, {
        from,
        participant: query.include === 'participated' ? session.userId : undefined,
        limit: bounded(query.limit, limits),
      })
      return {
        chunk: await views.aggregations.write(shown, view.audience),
        ...(next ? { next_batch: tokens.page(next) } : {}),
      }
    },
  })
}
