import * as v from 'valibot'
import { invalidParam } from '../spec/errors.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { parseUserId } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import { anyObject, assertAnswer, listOf } from './answers.ts'
import type { FederationClient } from './client.ts'

/** Bytes that keys from another server may have. */
const keysMaxBytes = 16 << 20
const deviceList = v.looseObject({
  user_id: v.string(),
  stream_id: v.number(),
  devices: listOf(v.looseObject({ device_id: v.string(), keys: anyObject }), 1000),
  master_key: v.nullish(anyObject),
  self_signing_key: v.nullish(anyObject),
})
const keys = v.looseObject({ device_keys: anyObject, master_keys: v.nullish(anyObject), self_signing_keys: v.nullish(anyObject) })
const claimed = v.looseObject({ one_time_keys: anyObject })

/** The users of other homeservers: profiles, devices and keys, as those answer. Rejects like `FederationClient.json`. */
export class RemoteUsers {
  readonly #client: FederationClient

  constructor(client: FederationClient) {
    this.#client = client
  }

  /** The public profile of a user, or one field of it. */
  profile(userId: UserId, field?: string): Promise<JsonObject> {
    return this.#client.json(homeOf(userId), {
      method: 'GET',
      path: ['federation', 'v1', 'query', 'profile'],
      query: [['user_id', userId], ...(field === undefined ? [] : [['field', field] as const])],
    })
  }

  /** `user_id`, `stream_id`, `devices` and cross-signing keys. */
  async devices(userId: UserId, signal?: AbortSignal): Promise<JsonObject> {
    const at = homeOf(userId)
    const answer = await this.#client.json(at, {
      method: 'GET',
      path: ['federation', 'v1', 'user', 'devices', userId],
      maxBytes: keysMaxBytes,
      ...(signal ? { signal } : {}),
    })
    assertAnswer(deviceList, answer, at)
    return answer
  }

  /** Device and cross-signing keys; `wanted` maps user ids of `at` to lists of device ids, empty for all. */
  async query(at: ServerName, wanted: Readonly<Record<string, readonly string[]>>, signal?: AbortSignal): Promise<JsonObject> {
    const answer = await this.#keys(
      at,
      'query',
      { device_keys: Object.fromEntries(Object.entries(wanted).map(([userId, ids]) => [userId, [...ids]])) },
      signal,
    )
    assertAnswer(keys, answer, at)
    return answer
  }

  /** One-time keys by user and device; `wanted` maps user ids of `at` to device ids to algorithms. Never repeated by itself. */
  async claim(
    at: ServerName,
    wanted: Readonly<Record<string, Readonly<Record<string, string>>>>,
    signal?: AbortSignal,
  ): Promise<JsonObject> {
    const answer = await this.#keys(at, 'claim', { one_time_keys: wanted }, signal)
    assertAnswer(claimed, answer, at)
    return answer
  }

  #keys(at: ServerName, endpoint: 'query' | 'claim', body: JsonObject, signal: AbortSignal | undefined): Promise<JsonObject> {
    return this.#client.json(at, {
      method: 'POST',
      path: ['federation', 'v1', 'user', 'keys', endpoint],
      body,
      maxBytes: keysMaxBytes,
      repeatable: endpoint === 'query',
      ...(signal ? { signal } : {}),
    })
  }
}

function homeOf(userId: UserId): ServerName {
  const user = parseUserId(userId)
  if (user === undefined) throw invalidParam(`${userId} is no user id`)
  return user.serverName
}
