import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { EventRecord, TimelinePoint } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import type { EventId } from '../../spec/event.ts'
import { isLater } from '../../sync/aggregations.ts'
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
/** How far indirect relations are followed. */
const recursionDepth = 3
/** Events that indirect relations lead to, at most. */
const recursionLimit = 1000
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

/** Events that relate to `parent`, directly or through others that match as well. */
async function descendants(views: RoomViews, view: RoomView, wish: RelationsWish): Promise<RelationsPage> {
  const found = new Map<string, EventRecord>()
  let parents = [wish.parent]
  for (let level = 0; level < recursionDepth && parents.length > 0 && found.size < recursionLimit; level++) {
    const walk = { direction: 'backwards', from: undefined, limit: recursionLimit - found.size } as const
    const fresh = await Promise.all(
      parents.map(async (parent) => {
        const places = await views.relations.page(view.room.roomId, parent, walk)
        const eventIds = places.flatMap(({ type, eventId }) => (wish.relType === undefined || wish.relType === type ? [eventId] : []))
        return view.viewpoint.visible(await views.relations.related(parent, eventIds))
      }),
    )
    const matching = fresh.flat().filter(({ event }) => !found.has(event.eventId) && (wish.type === undefined || event.type === wish.type))
    for (const record of matching.slice(0, recursionLimit - found.size)) found.set(record.event.eventId, record)
    parents = matching.map(({ event }) => event.eventId).filter((eventId) => found.has(eventId))
  }
  const inOrder = [...found.values()].sort((a, b) => (isLater(a, b) === wish.isBackwards ? -1 : 1))
  const wanted = inOrder.filter((record) => isWanted(record, wish))
  return pageOf(wanted, wish, undefined)
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
  return (wish.type === undefined || record.event.type === wish.type) && isBetween(record, wish)
}

function isBetween(
  record: EventRecord,
  { isBackwards, from, to }: { readonly isBackwards: boolean; readonly from: PageToken | undefined; readonly to: PageToken | undefined },
): boolean {
  const isPastFrom = from === undefined || isBefore(record, from) === isBackwards
  const isShortOfTo = to === undefined || isBefore(record, to) !== isBackwards
  return isPastFrom && isShortOfTo
}

function isBefore(record: EventRecord, token: PageToken): boolean {
  return 'position' in token ? record.position <= token.position : comparePoints(pointOf(record), token.point) < 0
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
