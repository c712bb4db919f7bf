import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { invalidParam } from '../../spec/errors.ts'
import { fitsBytes } from '../../spec/identifiers.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { Pushers } from '../../users/pushers.ts'

const pushkey = v.pipe(
  v.string(),
  v.check((text) => fitsBytes(text, 512), 'longer than 512 bytes'),
)
const appId = v.pipe(v.string(), v.maxLength(64))
const text = v.pipe(v.string(), v.maxLength(1000))

const pusher = v.looseObject({
  kind: v.literal('http'),
  pushkey,
  app_id: appId,
  app_display_name: text,
  device_display_name: text,
  profile_tag: v.optional(text),
  lang: text,
  data: jsonObject,
  append: v.optional(v.boolean()),
})

/** Where a user wants to be notified (Client-Server API, "Push Notifications"). */
export function pushersEndpoints({ pushers }: { readonly pushers: Pushers }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/pushers',
      handle: async ({ session }) => ({ pushers: await pushers.list(session.userId) }),
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/pushers/set',
      bodyLimit: 1 << 16,
      body: v.variant('kind', [v.looseObject({ kind: v.null(), pushkey, app_id: appId }), pusher]),
      handle: async ({ session, body }) => {
        const key = { appId: body.app_id, pushkey: body.pushkey }
        if (body.kind === null) await pushers.delete(session.userId, key)
        else await pushers.set(session.userId, key, { pusher: pusherJson(body), append: body.append ?? false, deviceId: session.deviceId })
        return {}
      },
    }),
  ]
}

function pusherJson(body: v.InferOutput<typeof pusher>): JsonObject {
  const { kind, pushkey: key, app_id, app_display_name, device_display_name, profile_tag, lang, data } = body
  if (!isPushGateway(data.url)) throw invalidParam('data.url is not an HTTPS URL with the path /_matrix/push/v1/notify')
  const tag: JsonObject = profile_tag === undefined ? {} : { profile_tag }
  return { kind, pushkey: key, app_id, app_display_name, device_display_name, ...tag, lang, data }
}

function isPushGateway(url: unknown): boolean {
  if (typeof url !== 'string') return false
  const parsed = URL.parse(url)
  return parsed?.protocol === 'https:' && parsed.pathname === '/_matrix/push/v1/notify'
}
