import * as v from 'valibot'
import { type Call, type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { DehydratedDevices, type DehydratedDevicesDeps } from '../../keys/dehydrated-devices.ts'
import { invalidParam } from '../../spec/errors.ts'
import { fitsBytes } from '../../spec/identifiers.ts'
import { bounded, numberText } from './room-fields.ts'

/** Messages in a page of those to a dehydrated device. */
const limits = { fallback: 100, most: 100, least: 1 }
/** Bytes that a dehydrated device may have, encrypted. */
const dataBytes = 1 << 18

const path = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'
const eventsPath = `${path}/:deviceId/events`

const deviceBody = v.looseObject({
  device_id: v.pipe(
    v.string(),
    v.check((id) => id !== '' && fitsBytes(id), 'empty, or longer than 255 bytes'),
  ),
  device_data: v.intersect([v.looseObject({ algorithm: v.string() }), jsonObject]),
  initial_device_display_name: v.nullish(v.pipe(v.string(), v.maxLength(255))),
  device_keys: jsonObject,
  one_time_keys: v.optional(jsonObject),
  fallback_keys: v.optional(jsonObject),
})

/**
 * A user's dehydrated device (MSC3814, as Synapse's `rest/client/devices.py` serves it). There is no flag for it: clients ask whether
 * there is one, and `M_NOT_FOUND` says that there could be (matrix-js-sdk's `rust-crypto/DehydratedDeviceManager.ts`).
 */
export function dehydratedDeviceEndpoints(deps: DehydratedDevicesDeps): Endpoint[] {
  const dehydrated = new DehydratedDevices(deps)
  return [
    forUser({
      method: 'GET',
      path,
      handle: async ({ session }) => {
        const { deviceId, data } = await dehydrated.get(session.userId)
        return { device_id: deviceId, device_data: data }
      },
    }),
    forUser({
      method: 'PUT',
      path,
      body: deviceBody,
      handle: async ({ session, body, keep }) => {
        const { device_id: deviceId, device_data: data, initial_device_display_name: displayName } = body
        if (JSON.stringify(data).length > dataBytes) throw invalidParam('The device is too large')
        const answer = { device_id: deviceId }
        const named = typeof displayName === 'string' ? { displayName } : {}
        const keys = { keys: body.device_keys, oneTime: body.one_time_keys ?? {}, fallback: body.fallback_keys ?? {} }
        await dehydrated.put(session.userId, { deviceId, data, ...named, ...keys }, keep(answer))
        return answer
      },
    }),
    forUser({
      method: 'DELETE',
      path,
      handle: async ({ session, keep }) => ({
        device_id: await dehydrated.delete(session.userId, (deviceId) => keep({ device_id: deviceId })),
      }),
    }),
    forUser({
      method: 'GET',
      path: eventsPath,
      query: v.looseObject({ from: v.optional(v.string()), limit: v.optional(numberText) }),
      handle: async (call) => {
        const { events, through, isAll } = await messages(dehydrated, call, call.query.from)
        return { events, ...(isAll ? {} : { next_batch: `d${through}` }) }
      },
    }),
    forUser({
      method: 'POST',
      path: eventsPath,
      body: v.looseObject({ next_batch: v.nullish(v.string()) }),
      query: v.looseObject({ limit: v.optional(numberText) }),
      handle: async (call) => {
        const { events, through } = await messages(dehydrated, call, call.body.next_batch)
        return { events, next_batch: `d${through}` }
      },
    }),
  ]
}

type MessagesCall = Call<unknown, { readonly limit?: string | undefined }> & { readonly session: Session }

function messages(dehydrated: DehydratedDevices, { session, params, query }: MessagesCall, from: string | null | undefined) {
  const since = from ?? 'd0'
  if (!/^d\d{1,15}$/.test(since)) throw invalidParam('from is not a token of this request')
  const page = { since: Number(since.slice(1)), limit: bounded(query.limit, limits) }
  return dehydrated.messages(session.userId, params.deviceId ?? '', page)
}
