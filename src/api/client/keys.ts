import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import type { CrossSigning } from '../../keys/cross-signing.ts'
import type { DeviceKeys } from '../../keys/device-keys.ts'
import type { KeyRequests } from '../../keys/key-requests.ts'
import type { KeySignatures } from '../../keys/key-signatures.ts'
import type { OneTimeKeys } from '../../keys/one-time-keys.ts'
import type { ToDevice, ToDeviceMessages } from '../../keys/to-device.ts'
import { invalidParam } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import { fitsBytes } from '../../spec/identifiers.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import type { InteractiveAuth } from '../../users/interactive-auth.ts'
import type { CrossSigningResets } from '../../users/oauth/cross-signing-resets.ts'
import { accountPageUrl } from './oauth/account-actions.ts'

export interface KeysDeps {
  readonly deviceKeys: DeviceKeys
  readonly oneTimeKeys: OneTimeKeys
  readonly keyRequests: KeyRequests
  readonly crossSigning: CrossSigning
  readonly keySignatures: KeySignatures
  readonly toDevice: ToDevice
  readonly interactiveAuth: InteractiveAuth
  readonly resets: CrossSigningResets
  /** Whose devices changed, and who no longer shares a room, between two tokens of `/sync`. Throws `M_INVALID_PARAM`. */
  readonly deviceListsBetween: (userId: UserId, from: string, to: string) => Promise<{ changed: UserId[]; left: UserId[] }>
}

const path = '/_matrix/client/v3/keys'
/** Users whose keys one request may ask for. */
const userLimit = 10_000
const timeout = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)))
const byUser = <T>(ofUser: (value: unknown) => value is T) =>
  v.custom<Record<UserId, T>>(
    (value) => isObject(value) && Object.keys(value).length <= userLimit && Object.values(value).every(ofUser),
    `malformed, or of more than ${userLimit} users`,
  )

const isStringList = (value: unknown): value is string[] => Array.isArray(value) && value.every((item) => typeof item === 'string')
const isStringMap = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((item) => typeof item === 'string')
const isObjectMap = (value: unknown): value is Record<string, JsonObject> => isObject(value) && Object.values(value).every(isObject)

/** Keys for end-to-end encryption, and messages to devices. */
export function keysEndpoints(deps: KeysDeps): Endpoint[] {
  return [...deviceKeyEndpoints(deps), ...crossSigningEndpoints(deps), toDeviceEndpoint(deps)]
}

function deviceKeyEndpoints({ deviceKeys, oneTimeKeys, keyRequests, deviceListsBetween }: KeysDeps): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: `${path}/upload`,
      body: v.looseObject({
        device_keys: v.optional(jsonObject),
        one_time_keys: v.optional(jsonObject),
        fallback_keys: v.optional(jsonObject),
      }),
      handle: async ({ session: { userId, deviceId }, body }) => {
        if (body.device_keys) await deviceKeys.upload(userId, deviceId, body.device_keys)
        await oneTimeKeys.upload(userId, deviceId, { oneTime: body.one_time_keys ?? {}, fallback: body.fallback_keys ?? {} })
        return { one_time_key_counts: await oneTimeKeys.counts(userId, deviceId) }
      },
    }),
    forUser({
      method: 'POST',
      path: `${path}/query`,
      body: v.looseObject({ device_keys: byUser(isStringList), timeout }),
      handle: ({ session, body }) => keyRequests.query(session.userId, body.device_keys, body.timeout),
    }),
    forUser({
      method: 'POST',
      path: `${path}/claim`,
      body: v.looseObject({ one_time_keys: byUser(isStringMap), timeout }),
      handle: ({ body, keep }) => keyRequests.claim(body.one_time_keys, { timeoutMs: body.timeout, alongside: keep }),
    }),
    forUser({
      method: 'GET',
      path: `${path}/changes`,
      query: v.looseObject({ from: v.string(), to: v.string() }),
      handle: async ({ session, query }) => {
        const { changed, left } = await deviceListsBetween(session.userId, query.from, query.to)
        return { changed: [...changed], left: [...left] }
      },
    }),
  ]
}

function crossSigningEndpoints({ crossSigning, keySignatures, interactiveAuth, resets }: KeysDeps): Endpoint[] {
  const approvalOf = (request: Request, userId: UserId) => ({
    url: accountPageUrl(request, 'org.matrix.cross_signing_reset'),
    take: () => resets.take(userId),
  })
  return [
    forUser({
      method: 'POST',
      path: `${path}/device_signing/upload`,
      body: v.looseObject({
        auth: v.optional(jsonObject),
        master_key: v.optional(jsonObject),
        self_signing_key: v.optional(jsonObject),
        user_signing_key: v.optional(jsonObject),
      }),
      handle: async ({ session: { userId, oauthClientId }, body, request }) => {
        const uploaded = {
          ...(body.master_key === undefined ? {} : { master: body.master_key }),
          ...(body.self_signing_key === undefined ? {} : { self_signing: body.self_signing_key }),
          ...(body.user_signing_key === undefined ? {} : { user_signing: body.user_signing_key }),
        }
        await crossSigning.upload(userId, uploaded, () =>
          interactiveAuth.require(body.auth, {
            ...(oauthClientId === undefined
              ? { flows: [['m.login.password']] }
              : { flows: [['m.oauth']], approval: approvalOf(request, userId) }),
            operation: 'cross-signing keys',
            userId,
          }),
        )
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: `${path}/signatures/upload`,
      body: jsonObject,
      handle: async ({ session, body }) => ({ failures: await keySignatures.upload(session.userId, body) }),
    }),
  ]
}

function toDeviceEndpoint({ toDevice }: KeysDeps): Endpoint {
  return forUser({
    method: 'PUT',
    path: '/_matrix/client/v3/sendToDevice/:eventType/:txnId',
    body: v.looseObject({
      messages: v.custom<ToDeviceMessages>((value) => isObject(value) && Object.values(value).every(isObjectMap), 'malformed'),
    }),
    handle: async ({ session, params: { eventType: type = '', txnId: transactionId = '' }, body }) => {
      if (!fitsBytes(type) || !fitsBytes(transactionId)) throw invalidParam('The event type or the transaction id exceeds 255 bytes')
      await toDevice.send({ sender: session.userId, deviceId: session.deviceId, type, transactionId, messages: body.messages })
      return {}
    },
  })
}
