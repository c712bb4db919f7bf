import { type EventId, type Pdu, type RoomId, stateKeyOf } from '../../src/spec/event.ts'
import { contentHash } from '../../src/spec/event-hash.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/spec/json.ts'
import type { RogueServer } from './rogue-server.ts'

/** What becomes of an event that comes by itself: kept as `accepted`, `rejected` or (without its content) `redacted`, or not at all. */
export type Verdict = 'accepted' | 'rejected' | 'redacted' | 'dropped'

/** Whom an attack is made on. */
export interface Victim {
  readonly userId: string
  /** A room of theirs in which the rogue is not, and the power levels that hold there. */
  readonly otherRoom: RoomId
  readonly otherLevels: EventId
}

export interface Attack {
  readonly name: string
  readonly verdict: Verdict
  /** Where it comes to something else than that. */
  readonly but?: { readonly path: string; readonly verdict: Verdict }
  /** An event upon the rogue's newest, which it does not become. */
  make(rogue: RogueServer, victim: Victim): Promise<Pdu>
}

/** A message changed after it was made, hashed and signed anew. */
function resigned(change: (pdu: Pdu) => Pdu): Attack['make'] {
  return async (rogue) => {
    const changed = change(await rogue.say('bad', { aside: true }))
    return rogue.sign({ ...changed, hashes: { sha256: contentHash(changed) }, signatures: {} })
  }
}

/** A message changed after it was signed. */
function tampered(change: (pdu: Pdu) => Pdu): Attack['make'] {
  return async (rogue) => change(await rogue.say('bad', { aside: true }))
}

function nested(depth: number): JsonValue {
  let value: JsonValue = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

function forgedSignatures({ signatures }: Pdu): JsonObject {
  const forged = (keys: JsonValue) => Object.fromEntries(Object.keys(isObject(keys) ? keys : {}).map((keyId) => [keyId, 'A'.repeat(86)]))
  return Object.fromEntries(Object.entries(isObject(signatures) ? signatures : {}).map(([server, keys]) => [server, forged(keys)]))
}

const list = (value: JsonValue | undefined): JsonValue[] => (Array.isArray(value) ? value : [])
const invented = (i: number) => `$${String(i).padStart(43, 'A')}`
const member = (userId: string, membership: string) => ({ type: 'm.room.member', stateKey: userId, content: { membership }, aside: true })

/** What of a type the state holds that a message of the rogue rests on. */
function citedBy(rogue: RogueServer, type: 'm.room.power_levels' | 'm.room.member'): EventId[] {
  return [rogue.state.get(stateKeyOf(type, type === 'm.room.member' ? rogue.userId : ''))].filter((eventId) => eventId !== undefined)
}

/** Events of a room of version 12 as no honest server makes them. */
export const attacks: readonly Attack[] = [
  { name: 'a forged signature', verdict: 'dropped', make: tampered((pdu) => ({ ...pdu, signatures: forgedSignatures(pdu) })) },
  { name: 'no signature', verdict: 'dropped', make: tampered((pdu) => ({ ...pdu, signatures: {} })) },
  { name: 'no hash', verdict: 'dropped', make: tampered((pdu) => ({ ...pdu, hashes: {} })) },
  {
    name: 'a content that it was not signed with',
    verdict: 'redacted',
    make: tampered((pdu) => ({ ...pdu, content: { msgtype: 'm.text', body: 'bad', more: true } })),
  },
  { name: 'a negative depth', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, depth: -1 })) },
  { name: 'a depth that is not whole', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, depth: 1.5 })) },
  { name: 'a depth beyond all', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, depth: Number.MAX_SAFE_INTEGER + 1 })) },
  { name: 'a number that is not whole', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, content: { n: 1.5 } })) },
  { name: 'half a character', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, content: { body: '\ud800' } })) },
  {
    name: 'ten thousand prev_events',
    verdict: 'dropped',
    make: resigned((pdu) => ({ ...pdu, prev_events: Array.from({ length: 10_000 }, (_, i) => invented(i)) })),
  },
  {
    name: 'eleven auth_events',
    verdict: 'dropped',
    make: resigned((pdu) => ({ ...pdu, auth_events: Array.from({ length: 11 }, (_, i) => invented(i)) })),
  },
  { name: 'too many bytes', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, content: { body: 'x'.repeat(65_536) } })) },
  { name: 'content nested a thousand deep', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, content: { deep: nested(1_000) } })) },
  { name: 'a type longer than 255 bytes', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, type: 'ü'.repeat(200) })) },
  { name: 'a sender that is no user', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, sender: 'mallory' })) },
  { name: 'a reference that is no event id', verdict: 'dropped', make: resigned((pdu) => ({ ...pdu, prev_events: [{}] })) },
  {
    name: 'the name of a user of another server',
    verdict: 'dropped',
    make: (rogue, { userId }) => rogue.say('bad', { sender: userId, aside: true }),
  },
  // The other room, which we know, forbids it.
  {
    name: 'another room',
    verdict: 'dropped',
    but: { path: 'in a transaction', verdict: 'rejected' },
    make: async (rogue, { otherRoom }) => rogue.say('bad', { roomId: otherRoom, aside: true }),
  },
  {
    name: 'a user of ours who is said to let somebody in',
    verdict: 'dropped',
    make: (rogue, { userId }) => {
      const eve = `@eve:${rogue.name}`
      return rogue.make({ ...member(eve, 'join'), sender: eve, content: { membership: 'join', join_authorised_via_users_server: userId } })
    },
  },
  {
    name: 'a sender who is not in the room',
    verdict: 'rejected',
    make: (rogue) => rogue.say('bad', { sender: `@eve:${rogue.name}`, aside: true }),
  },
  { name: 'no auth events', verdict: 'rejected', make: (rogue) => rogue.say('bad', { authEvents: [], aside: true }) },
  {
    name: 'an auth event twice',
    verdict: 'rejected',
    make: resigned((pdu) => ({ ...pdu, auth_events: [...list(pdu.auth_events), ...list(pdu.auth_events).slice(0, 1)] })),
  },
  {
    name: 'an auth event that it has no use for',
    verdict: 'rejected',
    make: async (rogue) => {
      const base = await rogue.say('bad', { aside: true })
      const rules = [...rogue.state].flatMap(([key, eventId]) => (key.includes('m.room.join_rules') ? eventId : []))
      return rogue.say('bad', { authEvents: [...list(base.auth_events).map(String), ...rules], aside: true })
    },
  },
  {
    name: 'an auth event of another room',
    verdict: 'rejected',
    make: (rogue, { otherLevels }) => rogue.say('bad', { authEvents: [otherLevels, ...citedBy(rogue, 'm.room.member')], aside: true }),
  },
  {
    name: 'an auth event that was rejected',
    verdict: 'rejected',
    // A join that rests on nothing is rejected, for which what it says of its user counts for nothing.
    make: async (rogue) => {
      const rejected = await rogue.make({ ...member(rogue.userId, 'join'), authEvents: [] })
      await rogue.send(rejected)
      return rogue.say('bad', { authEvents: [...citedBy(rogue, 'm.room.power_levels'), rogue.idOf(rejected)], aside: true })
    },
  },
  {
    name: 'a second create event',
    verdict: 'dropped',
    make: (rogue) => rogue.make({ type: 'm.room.create', stateKey: '', content: { room_version: '12' }, aside: true }),
  },
  {
    name: 'power for its sender',
    verdict: 'rejected',
    make: (rogue) => rogue.make({ type: 'm.room.power_levels', stateKey: '', content: { users: { [rogue.userId]: 100 } }, aside: true }),
  },
  { name: 'a ban of our user', verdict: 'rejected', make: (rogue, { userId }) => rogue.make(member(userId, 'ban')) },
  { name: 'a join for our user', verdict: 'rejected', make: (rogue, { userId }) => rogue.make({ ...member(userId, 'join') }) },
  { name: 'a membership that there is none', verdict: 'rejected', make: (rogue) => rogue.make(member(rogue.userId, 'king')) },
  {
    name: 'a state key of another user',
    verdict: 'rejected',
    make: (rogue, { userId }) => rogue.make({ type: 'm.mark', stateKey: userId, content: {}, aside: true }),
  },
  { name: 'the greatest depth', verdict: 'accepted', make: resigned((pdu) => ({ ...pdu, depth: Number.MAX_SAFE_INTEGER })) },
  // What lies deeper than our history begins is not asked for as missing.
  {
    name: 'no depth',
    verdict: 'accepted',
    but: { path: 'among missing events', verdict: 'dropped' },
    make: resigned((pdu) => ({ ...pdu, depth: 0 })),
  },
  {
    name: 'a time that is not yet',
    verdict: 'accepted',
    make: resigned((pdu) => ({ ...pdu, origin_server_ts: Number(pdu.origin_server_ts) + 3_600_000 })),
  },
  {
    name: 'keys that objects have of themselves',
    verdict: 'accepted',
    make: resigned((pdu) => ({ ...pdu, content: JSON.parse('{"__proto__":{"body":"p"},"constructor":1}') })),
  },
]
