import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { badJson, invalidParam, MatrixError, notFound } from '../../spec/errors.ts'
import type { RoomId } from '../../spec/event.ts'
import { fitsBytes, isRoomId } from '../../spec/identifiers.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { AccountData } from '../../users/account-data.ts'
import { checkedFilter, type Filters } from '../../users/filters.ts'
import type { Tags } from '../../users/tags.ts'
import { ownUser } from './own-user.ts'

export interface AccountDataDeps {
  readonly accountData: AccountData
  readonly tags: Tags
  readonly filters: Filters
}

type Params = Readonly<Record<string, string>>

/** Bytes that one piece of account data may have. */
const datumBytes = 1 << 18
/** Bytes of what a tag says of a room. */
const tagBytes = 1 << 12
const user = '/_matrix/client/v3/user/:userId'
/** Types that have endpoints of their own. */
const controlled: ReadonlySet<string> = new Set(['m.fully_read', 'm.push_rules'])

/** What a user keeps on the server: account data, which may be deleted as Synapse's `rest/client/account_data.py` has it (MSC3391), tags and filters. */
export function accountDataEndpoints(deps: AccountDataDeps): Endpoint[] {
  return [...accountDataProper(deps), ...tagEndpoints(deps), ...filterEndpoints(deps)]
}

function accountDataProper({ accountData }: AccountDataDeps): Endpoint[] {
  const path = [`${user}/account_data/:type`, `${user}/rooms/:roomId/account_data/:type`]
  const deletable = path.map((one) => one.replace('/v3/', '/unstable/org.matrix.msc3391/'))
  return [
    forUser({
      method: 'GET',
      path,
      handle: async ({ session, params }) => {
        const content = await accountData.get(ownUser(session, params), roomOf(params), params.type ?? '')
        if (!content) throw notFound('There is no such account data')
        return content
      },
    }),
    forUser({
      method: 'PUT',
      path,
      bodyLimit: datumBytes,
      body: jsonObject,
      handle: async ({ session, params, body }) => {
        const type = settable(params)
        if (!fitsBytes(type)) throw invalidParam('The type exceeds 255 bytes')
        await accountData.set(ownUser(session, params), roomOf(params), { type, content: body })
        return {}
      },
    }),
    forUser({
      method: 'DELETE',
      path: deletable,
      handle: async ({ session, params }) => {
        const [userId, roomId, type] = [ownUser(session, params), roomOf(params), settable(params)]
        if (await accountData.get(userId, roomId, type)) await accountData.set(userId, roomId, { type, content: {} })
        return {}
      },
    }),
  ]
}

function tagEndpoints({ tags }: AccountDataDeps): Endpoint[] {
  const path = `${user}/rooms/:roomId/tags/:tag`
  return [
    forUser({
      method: 'GET',
      path: `${user}/rooms/:roomId/tags`,
      handle: async ({ session, params }) => ({ tags: await tags.of(ownUser(session, params), roomOf(params)) }),
    }),
    forUser({
      method: 'PUT',
      path,
      bodyLimit: tagBytes,
      body: jsonObject,
      handle: async ({ session, params, body }) => {
        const { tag: name = '' } = params
        if (!fitsBytes(name)) throw invalidParam('The tag exceeds 255 bytes')
        await tags.set(ownUser(session, params), roomOf(params), { name, value: checkedTag(body) })
        return {}
      },
    }),
    forUser({
      method: 'DELETE',
      path,
      handle: async ({ session, params }) => {
        await tags.set(ownUser(session, params), roomOf(params), { name: params.tag ?? '', value: undefined })
        return {}
      },
    }),
  ]
}

function filterEndpoints({ filters }: AccountDataDeps): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: `${user}/filter`,
      bodyLimit: 1 << 16,
      body: jsonObject,
      handle: async ({ session, params, body }) => {
        const userId = ownUser(session, params)
        return { filter_id: await filters.add(userId, checkedFilter(body)) }
      },
    }),
    forUser({
      method: 'GET',
      path: `${user}/filter/:filterId`,
      handle: async ({ session, params }) => {
        const filter = await filters.get(ownUser(session, params), params.filterId ?? '')
        if (!filter) throw notFound('There is no such filter')
        return filter
      },
    }),
  ]
}

/** The type in a path, where it has no endpoint of its own. */
function settable({ type = '' }: Params): string {
  if (controlled.has(type)) throw new MatrixError(405, 'M_BAD_JSON', { message: `Cannot set ${type} through this API` })
  return type
}

/** `''` for paths without a room. */
function roomOf({ roomId }: Params): RoomId {
  if (roomId === undefined) return ''
  if (!isRoomId(roomId)) throw invalidParam(`${roomId} is not a room id`)
  return roomId
}

function checkedTag(tag: JsonObject): JsonObject {
  const { order } = tag
  if (order !== undefined && (typeof order !== 'number' || order < 0 || order > 1)) throw badJson('order is not a number from 0 to 1')
  return tag
}
