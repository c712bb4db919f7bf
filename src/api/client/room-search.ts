import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { invalidParam } from '../../spec/errors.ts'
import type { JsonObject } from '../../spec/json.ts'
import { tokenText } from './room-fields.ts'
import { RoomSearch, type RoomSearchDeps } from './room-search-answer.ts'
import { roomEvents } from './room-search-criteria.ts'

/** Searching what was said (Client-Server API, "Server Side Search"). */
export function roomSearchEndpoints(deps: RoomSearchDeps): Endpoint[] {
  const search = new RoomSearch(deps)
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/search',
      query: v.object({ next_batch: v.optional(tokenText) }),
      body: v.object({ search_categories: v.object({ room_events: v.optional(roomEvents) }) }),
      handle: async ({ session, query, body }): Promise<JsonObject> => {
        const criteria = body.search_categories.room_events
        if (!criteria) return { search_categories: {} }
        const start = placeOf(query.next_batch)
        return { search_categories: { room_events: await search.answer(session, { criteria, start }) } }
      },
    }),
  ]
}

function placeOf(token: string | undefined): number {
  if (token === undefined) return 0
  const match = /^r(\d{1,6})$/.exec(token)
  if (!match) throw invalidParam('This is not a token of this search')
  return Number(match[1])
}
