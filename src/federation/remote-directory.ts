import * as v from 'valibot'
import type { EventId, RoomId, ServerName } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { anyObject, assertAnswer, eventId, listOf } from './answers.ts'
import type { FederationClient } from './client.ts'

/** Bytes that a page of the directory of another server may have. */
const directoryMaxBytes = 16 << 20
const publicRooms = v.looseObject({ chunk: listOf(v.looseObject({ room_id: v.string() }), 10_000) })
const hierarchy = v.looseObject({
  room: anyObject,
  children: listOf(anyObject, 10_000),
  inaccessible_children: listOf(v.string(), 10_000),
})
const closestEvent = v.looseObject({ event_id: eventId, origin_server_ts: v.pipe(v.number(), v.integer()) })

/** What other homeservers say of rooms without being joined to them. Rejects like `FederationClient.json`. */
export class RemoteDirectory {
  readonly #client: FederationClient

  constructor(client: FederationClient) {
    this.#client = client
  }

  /** A page of the published rooms of `at`, as it answered: `filter` takes `limit`, `since`, `filter` and the like. */
  async publicRooms(at: ServerName, filter: JsonObject): Promise<JsonObject> {
    const answer = await this.#client.json(at, {
      method: 'POST',
      path: ['federation', 'v1', 'publicRooms'],
      body: filter,
      maxBytes: directoryMaxBytes,
      repeatable: true,
    })
    assertAnswer(publicRooms, answer, at)
    return answer
  }

  /** A space and its children as `at` knows them: `room`, `children` and `inaccessible_children`. */
  async hierarchy(at: ServerName, roomId: RoomId, suggestedOnly: boolean): Promise<JsonObject> {
    const answer = await this.#client.json(at, {
      method: 'GET',
      path: ['federation', 'v1', 'hierarchy', roomId],
      query: [['suggested_only', String(suggestedOnly)]],
      maxBytes: directoryMaxBytes,
    })
    assertAnswer(hierarchy, answer, at)
    return answer
  }

  /** The event that `at` knows to be closest to a time. */
  async timestampToEvent(
    at: ServerName,
    wanted: { readonly roomId: RoomId; readonly ts: number; readonly direction: 'f' | 'b' },
  ): Promise<{ eventId: EventId; originServerTs: number }> {
    const answer = await this.#client.json(at, {
      method: 'GET',
      path: ['federation', 'v1', 'timestamp_to_event', wanted.roomId],
      query: [
        ['ts', String(wanted.ts)],
        ['dir', wanted.direction],
      ],
    })
    assertAnswer(closestEvent, answer, at)
    return { eventId: answer.event_id, originServerTs: answer.origin_server_ts }
  }
}
