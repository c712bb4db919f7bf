import { memberEvents } from '../../src/rooms/room-store.ts'
import { canonicalJson } from '../../src/spec/canonical-json.ts'
import { type EventId, stateKeyOf } from '../../src/spec/event.ts'
import { hasValidContentHash } from '../../src/spec/event-hash.ts'
import { historyVisibilityOf, mayServerSee } from '../../src/spec/history-visibility.ts'
import { serverNameOf } from '../../src/spec/identifiers.ts'
import { redact } from '../../src/spec/redaction.ts'
import { isAllowedByAcl } from '../../src/spec/server-acl.ts'
import { eventSigningBytes, requiredSigners, signaturesOf } from '../../src/spec/signing.ts'
import type { StateTrie } from '../../src/spec/state-trie.ts'
import { nodeSigner, nodeVerifier } from './node-signer.ts'
import type { RoomModel } from './room-model.ts'
import { replay } from './room-replay.ts'
import { comesBack, isPlaced, isResident, isWelcome, type RoomView } from './room-view.ts'

/** With what begins what every user says to every room in the end. */
export const lastWords = 'last words of'

/** What is wrong with a room as several servers hold it. */
export interface RoomFindings {
  readonly faults: readonly string[]
  /** The servers that were found to agree, of how many that are in the room. */
  readonly agreeing: readonly string[]
  readonly residents: number
}

interface World {
  readonly model: RoomModel
  readonly serversOf: (state: StateTrie) => ReadonlySet<string>
}

/** Holds all that the servers have of a room against the model, and against each other. */
export function checkRoom(
  model: RoomModel,
  views: readonly RoomView[],
  serversOf: (state: StateTrie) => ReadonlySet<string>,
): RoomFindings {
  const faults = model.unjudged.map((eventId) => `no server holds all that comes before ${eventId}`)
  for (const view of views)
    faults.push(...verdictFaults(model, view), ...replayFaults(model, view), ...signatureFaults(view), ...exposureFaults(model, view))
  const residents = views.filter((view) => isResident(view.server, view))
  const circle = largestCircle(residents)
  for (const view of circle) faults.push(...missingFaults(view, { model, senders: views, serversOf }))
  faults.push(...disagreements(circle, { model, serversOf }))
  return { faults, agreeing: circle.map(({ server }) => server), residents: residents.length }
}

/** Every event has the state before it, and is rejected or not, as follows from the graph alone. */
function verdictFaults(model: RoomModel, { server, records }: RoomView): string[] {
  return records.filter(isPlaced).flatMap(({ event, stored }) => {
    const judgement = model.judged.get(event.eventId)
    if (!judgement) return []
    const { rejected, stateBefore, stateAfter } = judgement
    const faults = []
    if ((stored.status === 'rejected') !== rejected)
      faults.push(`${server} holds ${event.eventId} for ${stored.status}; it is ${rejected ? '' : 'not '}to be rejected`)
    if (stored.stateBefore !== stateBefore.root) faults.push(`${server} has another state before ${event.eventId}`)
    if (stored.stateAfter !== stateAfter.root) faults.push(`${server} has another state after ${event.eventId}`)
    return faults
  })
}

/** What is shown, where the room ends, and its state are what the rules make of the order in which events came. */
function replayFaults(model: RoomModel, view: RoomView): string[] {
  const { server, records, room } = view
  const { softFailed, extremities, state } = replay(model, view)
  const faults = records.filter(isPlaced).flatMap(({ event, stored }) => {
    const isSoftFailed = stored.status === 'soft-failed'
    if (isSoftFailed === softFailed.has(event.eventId) || stored.status === 'rejected') return []
    return [`${server} ${isSoftFailed ? 'soft-failed' : 'shows'} ${event.eventId}, which by its order of arrival it should not`]
  })
  const held = [...room.forwardExtremities].sort().join()
  const expected = [...extremities].sort().join()
  if (held !== expected) faults.push(`${server} has the extremities ${held}, not ${expected}`)
  if (room.state.root !== state.root) faults.push(`${server} has another state than its extremities give`)
  return faults
}

const verifier = nodeVerifier()

/** Every stored event still carries the signatures it needs, and its own content. */
function signatureFaults({ server, records, room }: RoomView): string[] {
  return records.flatMap(({ event, stored }) => {
    const claims = requiredSigners(event, room.rules).map((name) =>
      signaturesOf(stored.pdu, name).map(({ signature }) => ({
        message: eventSigningBytes(stored.pdu, room.rules),
        signature,
        publicKey: nodeSigner(name).publicKey,
      })),
    )
    const isSigned = claims.every((ofSigner) => ofSigner.length > 0) && everyTrue(verifier.verify(claims.flat()))
    // A redacted event may come without what its hash covers.
    const isWhole = hasValidContentHash(stored.pdu) || canonicalJson(redact(stored.pdu, room.rules)) === canonicalJson(stored.pdu)
    return isSigned && isWhole ? [] : [`${server} stores ${event.eventId}, which does not verify`]
  })
}

/**
 * What other servers gave whole to this one, one of its users might see (Client-Server API, "Room history visibility"), with the
 * benefit of a later join. State is told to servers whatever the visibility is.
 */
function exposureFaults(model: RoomModel, { server, records, room }: RoomView): string[] {
  return records.flatMap(({ event, stored }) => {
    const before = model.judged.get(event.eventId)?.stateBefore
    const isRedacted = canonicalJson(redact(stored.pdu, room.rules)) === canonicalJson(stored.pdu)
    if (!before || isRedacted || event.stateKey !== undefined || serverNameOf(event.sender) === server) return []
    const setting = model.judged.get(before.get(stateKeyOf('m.room.history_visibility', '')) ?? '')?.event
    const memberships = memberEvents(before).filter(([userId]) => serverNameOf(userId) === server)
    const viewers = memberships.map(([userId, holder]) => {
      return { userId, membership: model.judged.get(holder)?.event.content.membership, joinedAfter: true }
    })
    // Who joined only later has no membership before the event.
    const newcomer = { userId: '', membership: undefined, joinedAfter: true }
    const isVisible = mayServerSee(event, historyVisibilityOf(setting?.content), [...viewers, newcomer])
    return isVisible ? [] : [`${server} was given ${event.eventId}, which none of its users may see`]
  })
}

function everyTrue(verdicts: boolean[] | Promise<boolean[]>): boolean {
  return Array.isArray(verdicts) && verdicts.every(Boolean)
}

/**
 * Who was in the room where one of the others sent an event has it. What a server sent that an ACL banned at the time was refused,
 * and comes only if later events of others lead to it.
 */
function missingFaults(view: RoomView, world: World & { readonly senders: readonly RoomView[] }): string[] {
  const { model } = world
  const referenced = model.reaches(view.room.forwardExtremities)
  return world.senders.flatMap((sender) =>
    sender.records.flatMap(({ event, stored }) => {
      const isOwn = serverNameOf(event.sender) === sender.server && stored.distributedBy === undefined
      if (!stored.live || !(isOwn || stored.distributedBy === 'us')) return []
      if (wasBanned(model, sender.server) && !referenced.has(event.eventId)) return []
      const before = model.judged.get(event.eventId)?.stateBefore
      if (!before || !world.serversOf(before).has(view.server)) return []
      const held = view.byId.get(event.eventId)
      return held && isPlaced(held) ? [] : [`${view.server} lacks ${event.eventId} of ${sender.server}`]
    }),
  )
}

/** The largest set of servers each of which has all others in the room. */
function largestCircle(views: readonly RoomView[]): RoomView[] {
  const circles = views.map((first) => {
    const circle = [first]
    const fits = (view: RoomView) => circle.every((other) => isWelcome(view.server, other) && isWelcome(other.server, view))
    for (const view of views) if (view !== first && fits(view)) circle.push(view)
    return circle
  })
  return circles.reduce((largest, circle) => (circle.length > largest.length ? circle : largest), [])
}

/**
 * Servers that have each other in the room have the same ends of the graph, and one state, once each has spoken. A branch is excused
 * that others lack if it was never owed to one of them, or is soft-failed there: what was sent when they were not in the room, or
 * by who was banned, comes to them only once later events lead to it. So is any branch where one of them may not speak.
 */
function disagreements(views: readonly RoomView[], { model, serversOf }: World): string[] {
  const [first, ...others] = views.map(acceptedSinceReturn)
  const common = [...(first ?? [])].filter((eventId) => others.every((accepted) => accepted.has(eventId)))
  const before = model.reaches(common.flatMap((eventId) => model.judged.get(eventId)?.event.prevEvents ?? []))
  const heads = common.filter((eventId) => !before.has(eventId)).sort()
  const state = model.stateAfter(heads)
  const shared = model.reaches(common)
  const haveSpoken = views.every(hasSpoken)
  const isOwed = (eventId: EventId): boolean => {
    const sent = model.judged.get(eventId)
    if (!sent || !haveSpoken || wasBanned(model, serverNameOf(sent.event.sender) ?? '')) return false
    const servers = serversOf(sent.stateBefore)
    return views.every(({ server, byId }) => servers.has(server) && byId.get(eventId)?.stored.status !== 'soft-failed')
  }
  const comparable = views.filter(({ room }) => room.forwardExtremities.every((eventId) => shared.has(eventId) || isOwed(eventId)))
  return comparable.flatMap(({ server, room }) => {
    const faults = []
    const held = [...room.forwardExtremities].sort()
    if (held.join() !== heads.join()) faults.push(`${server} has the extremities ${held.join()}, the others ${heads.join()}`)
    if (room.state.root !== state.root) faults.push(`${server} resolved another state than the others`)
    return faults
  })
}

/** Whether the server sent an event to the room when all was well again. */
function hasSpoken({ server, records }: RoomView): boolean {
  return records.some(({ event, stored }) => {
    const isOwn = serverNameOf(event.sender) === server && stored.status === 'accepted'
    return isOwn && String(event.content.body).startsWith(lastWords)
  })
}

/** Whether an ACL of the room's ever banned the server. */
function wasBanned(model: RoomModel, server: string): boolean {
  return [...model.judged.values()].some(({ event }) => event.type === 'm.room.server_acl' && !isAllowedByAcl(server, event.content))
}

function acceptedSinceReturn({ records }: RoomView): Set<EventId> {
  const since = records.slice(Math.max(0, records.findLastIndex(comesBack)))
  return new Set(since.flatMap((record) => (isPlaced(record) && record.stored.status === 'accepted' ? record.event.eventId : [])))
}
