import * as v from 'valibot'
import type { ListPart } from '../http/json-lists.ts'
import type { MembershipTemplate, RemoteServers, SendJoinResult, StateReader, ToldState } from '../rooms/remote.ts'
import { MatrixError, unknownError } from '../spec/errors.ts'
import type { EventId, Pdu, RoomId, ServerName } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { policyServerKeyId } from '../spec/policy-server.ts'
import { type KeyedSignature, signaturesOf } from '../spec/signing.ts'
import { anyObject, assertAnswer, eventId, listOf, roomId, serverName } from './answers.ts'
import { type FederationClient, nonsense } from './client.ts'

const roomTimeoutMs = 60_000
/** A room of a hundred thousand members, with their auth chains, comes to this. */
const joinTimeoutMs = 180_000
const largestState = 256 << 20
const largestBatch = 8 << 20
/** Bytes that an event of a state may have, taking all together. */
const bytesOfEvent = 4096
/** Bytes of what the user who knocks is told of a room: it is kept until the knock is answered. */
const largestPreview = 1 << 20
/** How deep answers with events may nest: no event is deeper, and one that is too deep for us costs us none of the others. */
const eventsNesting = 40_000
/** Events that the state of a room may have when we join it by another server. */
const mostEvents = 200_000
const mostServers = 50_000
const ofState = { timeoutMs: joinTimeoutMs, maxBytes: largestState, maxNesting: eventsNesting }

const template = v.looseObject({ room_version: v.optional(v.string()), event: anyObject })
const events = listOf(anyObject, mostEvents)
const stateAnswer = v.looseObject({ pdus: events, auth_chain: events })
const stateIdsAnswer = v.looseObject({ pdu_ids: listOf(eventId, mostEvents), auth_chain_ids: listOf(eventId, mostEvents) })
const joinAnswer = v.looseObject({
  state: events,
  auth_chain: events,
  event: v.optional(anyObject),
  members_omitted: v.optional(v.boolean()),
  servers_in_room: v.optional(listOf(v.string(), mostServers)),
})
const transactionAnswer = v.looseObject({ pdus: listOf(anyObject, 1000) })
const missingEventsAnswer = v.looseObject({ events: listOf(anyObject, 1000) })
const knockAnswer = v.looseObject({ knock_room_state: v.optional(listOf(anyObject, 100)) })
const inviteAnswer = v.looseObject({ event: anyObject })
const directoryAnswer = v.looseObject({ room_id: roomId, servers: v.array(v.string()) })

/** The rooms of other homeservers, over the Server-Server API. */
export class RemoteRooms implements RemoteServers {
  readonly #client: FederationClient

  constructor(client: FederationClient) {
    this.#client = client
  }

  async makeMembership(
    to: ServerName,
    kind: 'join' | 'leave' | 'knock',
    about: { roomId: RoomId; userId: string; versions: readonly string[] },
  ): Promise<MembershipTemplate> {
    const answer = await asGateway(
      this.#client.json(to, {
        method: 'GET',
        path: ['federation', 'v1', `make_${kind}`, about.roomId, about.userId],
        query: kind === 'leave' ? [] : about.versions.map((version) => ['ver', version] as const),
        timeoutMs: 30_000,
      }),
    )
    assertAnswer(template, answer, to)
    return { version: answer.room_version ?? '1', event: answer.event }
  }

  async sendJoin(
    to: ServerName,
    { roomId: room, eventId: event, pdu }: { roomId: RoomId; eventId: EventId; pdu: Pdu },
    reader?: StateReader,
  ): Promise<SendJoinResult> {
    const path = ['federation', 'v2', 'send_join', room, event]
    const whole = new WholeState()
    const request = { method: 'PUT', path, body: pdu, repeatable: true, ...ofState } as const
    const lists = { names: ['state', 'auth_chain'], reader: () => readerOf(to, reader ?? whole) }
    const answer = await asGateway(this.#client.lists(to, request, lists))
    assertAnswer(joinAnswer, answer, to)
    return {
      ...whole.told,
      membersOmitted: answer.members_omitted ?? false,
      serversInRoom: (answer.servers_in_room ?? []).filter((name) => v.is(serverName, name)),
      ...(answer.event === undefined ? {} : { event: answer.event }),
    }
  }

  async sendLeave(to: ServerName, leave: { roomId: RoomId; eventId: EventId; pdu: Pdu }): Promise<void> {
    await this.#send(to, ['v2', 'send_leave'], { ...leave, maxBytes: largestPreview })
  }

  async sendKnock(
    to: ServerName,
    knock: { roomId: RoomId; eventId: EventId; pdu: Pdu },
  ): Promise<{ strippedState: readonly JsonObject[] }> {
    const answer = await this.#send(to, ['v1', 'send_knock'], { ...knock, maxBytes: largestPreview })
    assertAnswer(knockAnswer, answer, to)
    return { strippedState: answer.knock_room_state ?? [] }
  }

  async sendInvite(
    to: ServerName,
    invite: { roomId: RoomId; eventId: EventId; version: string; pdu: Pdu; strippedState: readonly JsonObject[] },
  ): Promise<Pdu> {
    const answer = await asGateway(
      this.#client.json(to, {
        method: 'PUT',
        path: ['federation', 'v2', 'invite', invite.roomId, invite.eventId],
        body: { room_version: invite.version, event: invite.pdu, invite_room_state: [...invite.strippedState] },
        timeoutMs: roomTimeoutMs,
        repeatable: true,
      }),
    )
    assertAnswer(inviteAnswer, answer, to)
    return answer.event
  }

  async missingEvents(
    from: ServerName,
    gap: { roomId: RoomId; earliest: readonly EventId[]; latest: readonly EventId[]; limit: number; minDepth: number },
  ): Promise<readonly Pdu[]> {
    const answer = await this.#client.json(from, {
      method: 'POST',
      path: ['federation', 'v1', 'get_missing_events', gap.roomId],
      body: { earliest_events: [...gap.earliest], latest_events: [...gap.latest], limit: gap.limit, min_depth: gap.minDepth },
      timeoutMs: roomTimeoutMs,
      maxBytes: largestBatch,
      maxNesting: eventsNesting,
      repeatable: true,
    })
    assertAnswer(missingEventsAnswer, answer, from)
    return answer.events
  }

  async event(from: ServerName, wanted: EventId): Promise<Pdu | undefined> {
    try {
      const answer = await this.#client.json(from, {
        method: 'GET',
        path: ['federation', 'v1', 'event', wanted],
        maxNesting: eventsNesting,
      })
      assertAnswer(transactionAnswer, answer, from)
      return answer.pdus[0]
    } catch (failure) {
      if (failure instanceof MatrixError && failure.status === 404) return undefined
      throw failure
    }
  }

  async stateIds(
    from: ServerName,
    at: { roomId: RoomId; eventId: EventId },
  ): Promise<{ state: readonly EventId[]; authChain: readonly EventId[] }> {
    const answer = await this.#stateAt(from, 'state_ids', at)
    assertAnswer(stateIdsAnswer, answer, from)
    return { state: answer.pdu_ids, authChain: answer.auth_chain_ids }
  }

  async state(
    from: ServerName,
    at: { roomId: RoomId; eventId: EventId; events?: number },
  ): Promise<{ state: readonly Pdu[]; authChain: readonly Pdu[] }> {
    const answer = await this.#stateAt(from, 'state', at)
    assertAnswer(stateAnswer, answer, from)
    return { state: answer.pdus, authChain: answer.auth_chain }
  }

  async backfill(from: ServerName, gap: { roomId: RoomId; from: readonly EventId[]; limit: number }): Promise<readonly Pdu[]> {
    const answer = await this.#client.json(from, {
      method: 'GET',
      path: ['federation', 'v1', 'backfill', gap.roomId],
      query: [...gap.from.map((before) => ['v', before] as const), ['limit', String(gap.limit)]],
      timeoutMs: roomTimeoutMs,
      maxBytes: largestBatch,
      maxNesting: eventsNesting,
    })
    assertAnswer(transactionAnswer, answer, from)
    return answer.pdus
  }

  async policySignature(of: ServerName, pdu: Pdu): Promise<KeyedSignature | undefined> {
    const signatures = await this.#client.json(of, { method: 'POST', path: ['policy', 'v1', 'sign'], body: pdu, repeatable: true })
    return signaturesOf({ signatures }, of).find(({ keyId }) => keyId === policyServerKeyId)
  }

  async resolveAlias(at: ServerName, alias: string): Promise<{ roomId: RoomId; servers: readonly ServerName[] }> {
    const answer = await this.#client.json(at, {
      method: 'GET',
      path: ['federation', 'v1', 'query', 'directory'],
      query: [['room_alias', alias]],
    })
    assertAnswer(directoryAnswer, answer, at)
    return { roomId: answer.room_id, servers: answer.servers.filter((name) => v.is(serverName, name)).slice(0, 100) }
  }

  #stateAt(
    from: ServerName,
    endpoint: 'state' | 'state_ids',
    at: { roomId: RoomId; eventId: EventId; events?: number },
  ): Promise<JsonObject> {
    const expected = at.events === undefined ? largestState : largestBatch + at.events * bytesOfEvent
    return this.#client.json(from, {
      method: 'GET',
      path: ['federation', 'v1', endpoint, at.roomId],
      query: [['event_id', at.eventId]],
      timeoutMs: joinTimeoutMs,
      maxBytes: Math.min(largestState, expected),
      maxNesting: eventsNesting,
    })
  }

  /** Hands a membership event of ours to a resident server. A repeat is the same event, so it is harmless. */
  #send(
    to: ServerName,
    [version, endpoint]: readonly [string, string],
    sent: { roomId: RoomId; eventId: EventId; pdu: Pdu; maxBytes: number; maxNesting?: number },
  ) {
    const { roomId: room, eventId: event, pdu, ...answer } = sent
    const path = ['federation', version, endpoint, room, event]
    return asGateway(this.#client.json(to, { method: 'PUT', path, body: pdu, timeoutMs: joinTimeoutMs, ...answer, repeatable: true }))
  }
}

/** Keeps a state that is told until all of it is there. */
class WholeState implements StateReader {
  told: { readonly state: Pdu[]; readonly authChain: Pdu[] } = { state: [], authChain: [] }

  begin(): void {
    this.told = { state: [], authChain: [] }
  }

  async take({ state, authChain }: ToldState): Promise<void> {
    this.told.state.push(...state)
    this.told.authChain.push(...authChain)
  }
}

/** Hands the parts of an answer to a reader, as long as they are lists of objects within their bounds. */
function readerOf(from: ServerName, reader: StateReader): (part: ListPart) => Promise<void> {
  const left = new Map([
    ['state', mostEvents],
    ['auth_chain', mostEvents],
  ])
  reader.begin()
  return async ({ list, elements }) => {
    const more = (left.get(list) ?? 0) - elements.length
    left.set(list, more)
    if (more < 0 || !v.is(v.array(anyObject), elements)) throw nonsense(from)
    await reader.take(list === 'state' ? { state: elements, authChain: [] } : { state: [], authChain: elements })
  }
}

/** That *we* asked wrongly is no fault of the client on whose behalf we did: it becomes a 502 (Server-Server API, "Joining Rooms"). */
async function asGateway<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (failure) {
    if (failure instanceof MatrixError && (failure.errcode === 'M_MISSING_PARAM' || failure.errcode === 'M_INVALID_PARAM')) {
      throw unknownError(failure.message, 502)
    }
    throw failure
  }
}
