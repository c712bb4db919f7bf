import type { EventId, Pdu, RoomEvent, RoomId, ServerName, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import type { KeyedSignature } from '../spec/signing.ts'

/** What a resident server answered to `send_join`. */
export interface SendJoinResult {
  /** The join as the resident server signed it (restricted rooms); else the one that was sent. */
  readonly event?: Pdu
  readonly state: readonly Pdu[]
  readonly authChain: readonly Pdu[]
  /** Members are missing from `state`, though we never ask for that. */
  readonly membersOmitted?: boolean
  /** Servers that were in the room before the join, as the resident server says. */
  readonly serversInRoom?: readonly ServerName[]
}

/** Some of the events of a room's state, and of its auth chain. */
export type ToldState = Pick<SendJoinResult, 'state' | 'authChain'>

/** Takes a room's state while a server tells it. */
export interface StateReader {
  /** An answer begins: what an earlier one said, which was cut short, is not the state. */
  begin(): void
  /** Resolves when more may come. */
  take(told: ToldState): Promise<void>
}

/** A template of a membership event, and the room's version (`make_join`, `make_leave`, `make_knock`). */
export interface MembershipTemplate {
  readonly version: string
  readonly event: JsonObject
}

/**
 * The Server-Server API of other homeservers, as the room pipeline needs it. Every call rejects with a `MatrixError` (the
 * remote's own where it answered one) or when the server cannot be reached in bounded time; answers are of checked shape
 * and bounded size, but their events are not verified.
 */
export interface RemoteServers {
  makeMembership(
    to: ServerName,
    kind: 'join' | 'leave' | 'knock',
    about: { roomId: RoomId; userId: UserId; versions: readonly string[] },
  ): Promise<MembershipTemplate>
  /** The lists of the result hold what the reader was not handed: all of them without one. */
  sendJoin(to: ServerName, join: { roomId: RoomId; eventId: EventId; pdu: Pdu }, reader?: StateReader): Promise<SendJoinResult>
  sendLeave(to: ServerName, leave: { roomId: RoomId; eventId: EventId; pdu: Pdu }): Promise<void>
  sendKnock(to: ServerName, knock: { roomId: RoomId; eventId: EventId; pdu: Pdu }): Promise<{ strippedState: readonly JsonObject[] }>
  /** The invite with the invited server's signature. */
  sendInvite(
    to: ServerName,
    invite: { roomId: RoomId; eventId: EventId; version: string; pdu: Pdu; strippedState: readonly JsonObject[] },
  ): Promise<Pdu>
  missingEvents(
    from: ServerName,
    gap: { roomId: RoomId; earliest: readonly EventId[]; latest: readonly EventId[]; limit: number; minDepth: number },
  ): Promise<readonly Pdu[]>
  event(from: ServerName, eventId: EventId): Promise<Pdu | undefined>
  stateIds(
    from: ServerName,
    at: { roomId: RoomId; eventId: EventId },
  ): Promise<{ state: readonly EventId[]; authChain: readonly EventId[] }>
  /** `events`: how many are expected, which bounds the answer. */
  state(
    from: ServerName,
    at: { roomId: RoomId; eventId: EventId; events?: number },
  ): Promise<{ state: readonly Pdu[]; authChain: readonly Pdu[] }>
  backfill(from: ServerName, gap: { roomId: RoomId; from: readonly EventId[]; limit: number }): Promise<readonly Pdu[]>
  /** The signature that the policy server makes of an event (`/_matrix/policy/v1/sign`), unverified; nothing where it answers none. */
  policySignature(of: ServerName, pdu: Pdu): Promise<KeyedSignature | undefined>
  resolveAlias(at: ServerName, alias: string): Promise<{ roomId: RoomId; servers: readonly ServerName[] }>
}

/** Why an event is not validly signed. */
export interface SignatureFault {
  readonly reason: string
  /** A key could not be had: another time it may. */
  readonly isKeyMissing: boolean
}

/** Verifies events' signatures, fetching keys as needed: for each event `undefined`, or what is wrong with it. */
export interface EventVerifier {
  verify(events: readonly RoomEvent[], rules: RoomVersionRules): Promise<readonly (SignatureFault | undefined)[]>
}

/** Signs an event of ours: the PDU with our signature over its redacted form. */
export type SignEvent = (pdu: Pdu, rules: RoomVersionRules) => Promise<Pdu>
