import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { EventRecord } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import { isLater } from '../../sync/aggregations.ts'
import { redactedRecord } from '../../sync/client-event.ts'
import { relationOf } from '../../sync/relations.ts'
import type { RoomView, RoomViews } from '../../sync/room-views.ts'
import { comparePoints, pointAfter, pointOf } from '../../sync/timeline.ts'
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
      const related = await descendants(views, view, { parent, relType: params.relType, type, depth: isRecursive ? recursionDepth : 1 })
      const isBackwards = query.dir !== 'f'
      related.sort((a, b) => (isLater(a, b) === isBackwards ? -1 : 1))
      const from = query.from === undefined ? undefined : tokens.parsePage(query.from)
      const to = query.to === undefined ? undefined : tokens.parsePage(query.to)
      const wanted = related.filter((record) => isBetween(record, { isBackwards, from, to }))
      const shown = wanted.slice(0, bounded(query.limit, limits))
      const last = shown.at(-1)
      const hasMore = last !== undefined && wanted.length > shown.length
      return {
        chunk: await views.aggregations.write(shown, view.audience),
        ...(hasMore ? { next_batch: tokens.page(isBackwards ? pointOf(last) : pointAfter(last)) } : {}),
        ...(query.from === undefined ? {} : { prev_batch: query.from }),
        ...(isRecursive ? { recursion_depth: recursionDepth } : {}),
      }
    },
  })
}

/** Events that relate to `parent`, directly or through others that match as well. */
async function descendants(
  views: RoomViews,
  view: RoomView,
  wish: { readonly parent: EventRecord; readonly relType: string | undefined; readonly type: string | undefined; readonly depth: number },
): Promise<EventRecord[]> {
  const found = new Map<string, EventRecord>()
  let parents = [wish.parent.event.eventId]
  for (let level = 0; level < wish.depth && parents.length > 0; level++) {
    const children = [...(await views.relations.children(view.room.roomId, parents, wish.relType)).values()].flat()
    const fresh = (await view.viewpoint.visible(children)).filter(
      ({ event }) => !found.has(event.eventId) && (wish.type === undefined || event.type === wish.type),
    )
    for (const record of fresh) found.set(record.event.eventId, record)
    parents = fresh.map(({ event }) => event.eventId)
  }
  return [...found.values()]
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
      const threads = (await threadsIn(views, view)).filter(
        ({ root, replies }) => query.include !== 'participated' || [root, ...replies].some(({ event }) => event.sender === session.userId),
      )
      const wanted = threads.filter(({ latest }) => from === undefined || isBefore(latest, from))
      const shown = wanted.slice(0, bounded(query.limit, limits))
      const last = shown.length < wanted.length ? shown.at(-1) : undefined
      return {
        chunk: await views.aggregations.write(
          shown.map(({ root }) => root),
          view.audience,
        ),
        ...(last ? { next_batch: tokens.page(pointOf(last.latest)) } : {}),
      }
    },
  })
}

interface Thread {
  readonly root: EventRecord
  readonly replies: readonly EventRecord[]
  readonly latest: EventRecord
}

/** The threads of a room, those with the newest replies first. */
async function threadsIn(views: RoomViews, view: RoomView): Promise<Thread[]> {
  const { viewpoint, room } = view
  const byRoot = await views.relations.threads(room.roomId)
  const roots = await views.store.events(byRoot.keys())
  const threads = await Promise.all(
    [...byRoot].map(async ([rootId, children]): Promise<Thread[]> => {
      const root = roots.get(rootId)
      if (!root || relationOf(root.event.content) || !(await viewpoint.mayRead(root))) return []
      const replies = await viewpoint.visible(children)
      const [first, ...others] = replies
      if (!first) return []
      const latest = others.reduce((newest, reply) => (isLater(reply, newest) ? reply : newest), first)
      // A root of someone ignored is shown without what it said.
      return [{ root: (await viewpoint.maySee(root)) ? root : redactedRecord(root), replies, latest }]
    }),
  )
  return threads.flat().sort((a, b) => (isLater(a.latest, b.latest) ? -1 : 1))
}
