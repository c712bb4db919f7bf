import { describe, expect, test } from 'vitest'
import { RoomStore } from '../../src/rooms/room-store.ts'
import type { EventId, Pdu } from '../../src/spec/event.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { type Home, homeWorld, RogueServer } from './rogue-server.ts'

/** The same event with a signature that nobody made. */
function forged(pdu: Pdu): Pdu {
  const signatures = isObject(pdu.signatures) ? pdu.signatures : {}
  const broken = Object.entries(signatures).map(([server, keys]) => [server, forgedKeys(isObject(keys) ? keys : {})])
  return { ...pdu, signatures: Object.fromEntries(broken) }
}

function forgedKeys(keys: JsonObject): JsonObject {
  return Object.fromEntries(Object.keys(keys).map((keyId) => [keyId, 'A'.repeat(86)]))
}

async function roomWithRogue() {
  const home = await homeWorld()
  const roomId = await home.room()
  const rogue = new RogueServer(home, 'rogue.example')
  await rogue.join(roomId)
  return { home, roomId, rogue }
}

/** Whether home keeps the event in any way. */
async function isStored(home: Home, eventId: EventId): Promise<boolean> {
  return (await new RoomStore(home.server.disk.inspect()).event(eventId)) !== undefined
}

describe('an event whose signature is forged is never taken', () => {
  test('in a transaction', async () => {
    const { home, rogue } = await roomWithRogue()
    const pdu = forged(await rogue.say('forged', { aside: true }))
    const answer = await rogue.send(pdu)
    await home.settle()
    expect(answer[rogue.idOf(pdu)]).toMatchObject({ error: expect.any(String) })
    expect(await isStored(home, rogue.idOf(pdu))).toBe(false)
  })

  test('as a join through us', async () => {
    const { home, roomId, rogue } = await roomWithRogue()
    const userId = '@eve:rogue.example'
    const join = await rogue.make({ type: 'm.room.member', stateKey: userId, sender: userId, content: { membership: 'join' }, aside: true })
    const eventId = rogue.idOf(join)
    const refusal = await rogue.refused('PUT', ['v2', 'send_join', roomId, eventId], { body: forged(join) })
    expect(refusal).toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await isStored(home, eventId)).toBe(false)
  })

  test('as what came before another', async () => {
    const { home, rogue } = await roomWithRogue()
    const before = await rogue.say('before')
    const last = await rogue.say('last')
    rogue.script = ({ path }) => (path.includes('/get_missing_events/') ? { events: [forged(before)] } : undefined)
    await rogue.send(last)
    await home.settle()
    expect(await isStored(home, rogue.idOf(before))).toBe(false)
  })

  test('as an auth event of another', async () => {
    const { home, rogue } = await roomWithRogue()
    const member = { type: 'm.room.member', stateKey: rogue.userId, content: { membership: 'join', displayname: 'M' } }
    const hidden = await rogue.make({ ...member, aside: true })
    const key = [...rogue.state].find(([, eventId]) => rogue.events.get(eventId)?.state_key === rogue.userId)?.[0] ?? ''
    rogue.state.set(key, rogue.idOf(hidden))
    const last = await rogue.say('last')
    rogue.script = ({ path }) => (path.includes('/event/') ? { pdus: [forged(hidden)] } : undefined)
    await rogue.send(last)
    await home.settle()
    expect(rogue.asked.some(({ path }) => path.includes('/event/'))).toBe(true)
    expect(await isStored(home, rogue.idOf(hidden))).toBe(false)
  })

  test('as part of a state', async () => {
    const { home, rogue } = await roomWithRogue()
    const marks: Pdu[] = []
    for (let i = 0; i < 30; i++) marks.push(await rogue.make({ type: 'm.mark', stateKey: `${rogue.userId}${i}`, content: {}, aside: true }))
    await rogue.say('hidden')
    const last = await rogue.say('last')
    const state = [...rogue.state.values()].map((eventId) => rogue.events.get(eventId)).filter((pdu) => pdu !== undefined)
    rogue.script = ({ path }): JsonObject | undefined => {
      if (path.includes('/state_ids/')) return { pdu_ids: [...state, ...marks].map((pdu) => rogue.idOf(pdu)), auth_chain_ids: [] }
      return path.includes('/state/') ? { pdus: [...state, ...marks.map(forged)], auth_chain: [] } : undefined
    }
    await rogue.send(last)
    await home.settle()
    expect(rogue.asked.some(({ path }) => path.includes('/state/'))).toBe(true)
    const stored = await Promise.all(marks.map((pdu) => isStored(home, rogue.idOf(pdu))))
    expect(stored).not.toContain(true)
  })

  test('in back-fill', async () => {
    const { home, roomId, rogue } = await roomWithRogue()
    const hidden = await rogue.say('hidden')
    const last = await rogue.say('last')
    rogue.honest()
    const honest = rogue.script
    rogue.script = (asked) => {
      if (asked.path.includes('/get_missing_events/')) return { events: [] }
      return asked.path.includes('/backfill/') ? { origin: rogue.name, origin_server_ts: 1, pdus: [forged(hidden)] } : honest(asked)
    }
    await rogue.send(last)
    await home.settle()
    expect(await home.history(roomId)).toEqual(['last'])
    expect(rogue.asked.some(({ path }) => path.includes('/backfill/'))).toBe(true)
    expect(await isStored(home, rogue.idOf(hidden))).toBe(false)
  })
})
