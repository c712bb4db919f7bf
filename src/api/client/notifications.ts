import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { invalidParam } from '../../spec/errors.ts'
import type { Notifications } from '../../sync/notifications.ts'
import { bounded, numberText, tokenText } from './room-fields.ts'

/** Notifications in a page. */
const limits = { fallback: 20, most: 100, least: 1 }

/** What a user was notified of (Client-Server API, "Listing Notifications"). */
export function notificationEndpoints({ notifications }: { readonly notifications: Notifications }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/notifications',
      query: v.object({ from: v.optional(tokenText), limit: v.optional(numberText), only: v.optional(v.string()) }),
      handle: async ({ session, query }) => {
        const { notifications: found, next } = await notifications.page(session, {
          before: query.from === undefined ? Number.POSITIVE_INFINITY : positionOf(query.from),
          limit: bounded(query.limit, limits),
          highlightsOnly: query.only === 'highlight',
        })
        return { notifications: found, ...(next === undefined ? {} : { next_token: `n${next}` }) }
      },
    }),
  ]
}

function positionOf(token: string): number {
  const match = /^n(\d{1,16})$/.exec(token)
  if (!match) throw invalidParam('This is not a token of this list')
  return Number(match[1])
}
