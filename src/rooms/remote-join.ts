import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { last, removeRange, type Storage } from '../ports/storage.ts'
import { decodeBase64 } from '../spec/base64.ts'
import { buildPdu } from '../spec/build-pdu.ts'
import { badJson, forbidden, incompatibleRoomVersion, unknownError } from '../spec/errors.ts'
import { type EventId, type RoomEvent, type RoomId, type ServerName, stateKeyOf, type UserId } from '../spec/event.ts'
import { parseEvent } from '../spec/event-format.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { type RoomVersionRules, rulesOf, supportedRoomVersions } from '../spec/room-version.ts'
import type { StateTrie } from '../spec/state-trie.ts'
import { unfinishedJoins } from '../storage/tables/rooms.ts'
import { chosenFields } from './chosen-id.ts'
import { absenceBefore, remainingEnds } from './coming-back.ts'
import type { GapFiller } from './gap-filler.ts'
import { judgeByAuthEvents } from './import.ts'
import { receivePdus } from './incoming.ts'
import { JoinImport } from './join-import.ts'
import type { ReportJoin } from './join-progress.ts'
import type { EventVerifier, MembershipTemplate, RemoteServers, SendJoinResult, SignEvent, StateReader, ToldState } from './remote.ts'
import type { RoomDraft } from './room-draft.ts'
import type { RoomQueue } from './room-queue.ts'
import { memberEvents, type RoomStore } from './room-store.ts'

export interface RemoteMembershipDeps {
  readonly storage: Storage
  readonly queue: RoomQueue
  readonly store: RoomStore
  readonly gapFiller: GapFiller
  readonly remote: RemoteServers
  readonly verifier: EventVerifier
  readonly signEvent: SignEvent
  readonly clock: Clock
  readonly random: Random
}

/** Servers that are asked for a state of which the resident server left out a part. */
const serversAskedForState = 4

interface Attempt {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly content: JsonObject
}

/** Makes a membership event from what another server proposed: template, sign, and nothing else of the template is believed. */
export async function membershipFromTemplate(
  attempt: Attempt & { readonly membership: 'join' | 'leave' | 'knock' },
  template: MembershipTemplate,
  deps: Pick<RemoteMembershipDeps, 'clock' | 'random' | 'signEvent'>,
): Promise<{ readonly event: RoomEvent; readonly rules: RoomVersionRules }> {
  const rules = rulesOf(template.version)
  if (!rules) throw incompatibleRoomVersion(template.version)
  const { auth_events, prev_events, depth, content } = template.event
  const proposed = isObject(content) ? content : {}
  const authoriser = proposed.join_authorised_via_users_server
  const hashes = new Map([...references(prev_events), ...references(auth_events)])
  const hashOf = (eventId: EventId) => hashes.get(eventId)
  const pdu = buildPdu(
    {
      ...chosenFields(rules, { sender: attempt.userId, random: deps.random, hashOf }),
      type: 'm.room.member',
      stateKey: attempt.userId,
      sender: attempt.userId,
      roomId: attempt.roomId,
      content: {
        ...attempt.content,
        membership: attempt.membership,
        ...(typeof authoriser === 'string' && rules.auth.restricted ? { join_authorised_via_users_server: authoriser } : {}),
      },
      originServerTs: deps.clock.now(),
      prevEvents: references(prev_events).map(([eventId]) => eventId),
      authEvents: references(auth_events).map(([eventId]) => eventId),
      depth: typeof depth === 'number' && Number.isSafeInteger(depth) && depth > 0 ? depth : 1,
    },
    rules,
  )
  const parsed = parseEvent(await deps.signEvent(pdu, rules), rules)
  if ('error' in parsed) throw badJson(`The other server proposed an impossible event: ${parsed.error}`)
  return { event: parsed.event, rules }
}

/**
 * Joins a room through a server that is in it (Server-Server API, "Joining rooms"): template, sign, send, verify all that comes
 * back, commit; `report` hears how far it is. Throws the other server's error, or `M_FORBIDDEN` where what it says of the room cannot be.
 */
export async function joinThrough(
  via: ServerName,
  attempt: Attempt,
  { report, ...deps }: RemoteMembershipDeps & { readonly serverName: ServerName; readonly report: ReportJoin },
): Promise<void> {
  const { roomId, userId } = attempt
  const template = await deps.remote.makeMembership(via, 'join', { roomId, userId, versions: supportedRoomVersions() })
  const { event, rules } = await membershipFromTemplate({ ...attempt, membership: 'join' }, template, deps)
  const state = new JoinImport({ roomId, rules }, { ...deps, report })
  try {
    const result = await deps.remote.sendJoin(via, { roomId, eventId: event.eventId, pdu: event.pdu }, state)
    const join = await countersignedJoin(event, result, { rules, verifier: deps.verifier })
    await state.take(await restOfState(via, { join, result, state }, deps))
    await placeJoin(via, join, { ...deps, rules, stateBefore: await state.end() })
  } catch (failure) {
    // What cannot be taken away now goes with the next start.
    await state.discard().catch(() => undefined)
    throw failure
  }
}

/** Places the join upon the state that was told, and thereby shows the room. Throws where the rules do not allow it. */
async function placeJoin(
  via: ServerName,
  join: RoomEvent,
  {
    rules,
    stateBefore,
    ...deps
  }: RemoteMembershipDeps & { readonly serverName: ServerName; readonly rules: RoomVersionRules; readonly stateBefore: StateTrie },
): Promise<void> {
  const { roomId } = join
  if (!stateBefore.has(stateKeyOf('m.room.create', ''))) throw unknownError(`${via} told us a state without a create event`, 502)
  const absence = await absenceBefore(join, { via, rules }, deps)
  await deps.queue.enqueue(roomId, async (draft) => {
    if (!draft.exists) draft.begin(rules)
    draft.write(removeRange(unfinishedJoins, { from: [roomId, ''], to: [roomId, last] }))
    // What others have said since may have led to it already.
    const known = (await draft.find([join.eventId])).get(join.eventId)
    if (known?.placed && known.status === 'accepted') return
    if (known?.placed) throw forbidden('The room does not allow it')
    // Between leaving and coming back the room went on without us: what we knew as its heads no longer are, but for those that the
    // server which lets us in has not heard of. Our leaving may be one.
    draft.startAfresh(await remainingEnds(draft, absence, await isResident(draft, deps.serverName)))
    const finding = await judgeByAuthEvents(draft, join)
    if (finding.kind === 'unknown') throw unknownError(`${via} did not tell us what our join rests on`, 502)
    const placed = await draft.place(join, {
      live: true,
      distributedBy: 'resident',
      stateBefore,
      current: await draft.stateBeside(stateBefore),
      ...(finding.kind === 'rejected' ? { rejection: finding.reason } : {}),
    })
    if (placed.status !== 'accepted') throw forbidden(placed.reason ?? 'The room does not allow it')
  })
}

/**
 * What is still to be read of the state before our join, as the resident server answered it. One that leaves members out, though we never ask for that, is
 * not believed to be the room's: the whole is asked for, there and of servers that it names. Throws where nobody gives it.
 */
async function restOfState(
  via: ServerName,
  { join, result, state }: { readonly join: RoomEvent; readonly result: SendJoinResult; readonly state: StateReader },
  { remote }: RemoteMembershipDeps,
): Promise<ToldState> {
  if (!result.membersOmitted) return result
  state.begin()
  const servers = new Set([via, ...(result.serversInRoom ?? [])])
  for (const server of [...servers].slice(0, serversAskedForState)) {
    const told = await remote.state(server, { roomId: join.roomId, eventId: join.eventId }).catch(() => undefined)
    if (told) return told
  }
  throw unknownError(`${via} left members out of the state of the room, and no server gives them`, 502)
}

/** Whether a user of `serverName` is in the room: another may have joined meanwhile. */
async function isResident(draft: RoomDraft, serverName: ServerName): Promise<boolean> {
  const ours = memberEvents(draft.state).filter(([userId]) => serverNameOf(userId) === serverName)
  const found = await draft.find(ours.map(([, eventId]) => eventId))
  return [...found.values()].some(({ event }) => event.content.membership === 'join')
}

/** The join as the resident server signed it; it must be the very event that we sent. Throws where it needs that and is not signed. */
async function countersignedJoin(
  sent: RoomEvent,
  result: SendJoinResult,
  by: { readonly rules: RoomVersionRules; readonly verifier: EventVerifier },
): Promise<RoomEvent> {
  const [received] = await receivePdus(result.event ? [result.event] : [], { roomId: sent.roomId, rules: by.rules }, by.verifier)
  if (received && !('error' in received) && received.event.eventId === sent.eventId) return received.event
  const needsIt = by.rules.auth.restricted && sent.content.join_authorised_via_users_server !== undefined
  if (needsIt) throw unknownError('The server that should have let us in did not sign our join', 502)
  return sent
}

/** Events that a template refers to; in room versions 1 and 2 with their reference hashes. */
function references(list: JsonValue | undefined): [EventId, Uint8Array | undefined][] {
  if (!Array.isArray(list)) return []
  return list.flatMap((entry): [EventId, Uint8Array | undefined][] => {
    if (typeof entry === 'string') return [[entry, undefined]]
    const [eventId, hashes] = Array.isArray(entry) ? entry : []
    if (typeof eventId !== 'string' || !isObject(hashes) || typeof hashes.sha256 !== 'string') return []
    return [[eventId, decodeBase64(hashes.sha256)]]
  })
}
