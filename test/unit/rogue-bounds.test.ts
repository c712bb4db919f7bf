import { describe, expect, test } from 'vitest'
import { RoomStore } from '../../src/rooms/room-store.ts'
import { type Pdu, type RoomId, stateKeyOf } from '../../src/spec/event.ts'
import { contentHash, referenceHash } from '../../src/spec/event-hash.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { type Home, homeWorld, keptAt, RogueServer } from './rogue-server.ts'

const invented = (i: number) => `$${String(i).padStart(43, 'A')}`

async function roomWithRogue(version = '12') {
  const home = await homeWorld()
  const roomId = await home.room({}, version)
  const [rogue, honest] = [new RogueServer(home, 'rogue.example', version), new RogueServer(home, 'honest.example', version)]
  await honest.join(roomId)
  await rogue.join(roomId)
  for (const pdu of rogue.events.values()) if (pdu.sender === rogue.userId) honest.know(pdu)
  return { home, roomId, rogue, honest }
}

async function expectToGoOn({ home, roomId, honest }: { home: Home; roomId: RoomId; honest: RogueServer }): Promise<void> {
  const good = await honest.say('good')
  expect(await honest.send(good)).toEqual({ [honest.idOf(good)]: {} })
  await home.settle()
  await home.say(roomId, 'mine')
  expect(await home.history(roomId)).toEqual(expect.arrayContaining(['mine', 'good']))
}

describe('in a room whose events have chosen ids', () => {
  /** The event with the id of another, signed. */
  const asIf = (rogue: RogueServer, pdu: Pdu, eventId: string) => {
    const changed = { ...pdu, event_id: eventId }
    return rogue.sign({ ...changed, hashes: { sha256: contentHash(changed) }, signatures: {} })
  }

  test('an event that comes before itself, or in a circle, ends nothing', async () => {
    const scene = await roomWithRogue('1')
    const { home, rogue } = scene
    const own = await rogue.say('own', { prevEvents: ['$self:rogue.example'], chosen: chosen(rogue, '$self:rogue.example'), aside: true })
    const first = await rogue.say('first', { prevEvents: ['$b:rogue.example'], chosen: chosen(rogue, '$a:rogue.example'), aside: true })
    const second = await rogue.say('second', { prevEvents: ['$a:rogue.example'], chosen: chosen(rogue, '$b:rogue.example'), aside: true })
    const cited = await rogue.say('cited', { authEvents: ['$c:rogue.example'], chosen: chosen(rogue, '$c:rogue.example'), aside: true })
    rogue.honest()
    for (const pdu of [own, first, second, cited]) rogue.events.set(rogue.idOf(pdu), pdu)
    await rogue.send(own, first, second, cited)
    await home.settle()
    await expectToGoOn(scene)
  })

  test('an id that is taken stays with the event that has it, in whatever room', async () => {
    const scene = await roomWithRogue('1')
    const { home, roomId, rogue } = scene
    const elsewhere = await home.room({}, '1')
    const said = await rogue.say('first')
    await rogue.send(said)
    await home.settle()
    await rogue.send(await asIf(rogue, await rogue.say('second', { aside: true }), rogue.idOf(said)))
    await home.settle()
    expect(await home.shown(roomId, rogue.idOf(said))).toMatchObject({ content: { body: 'first' } })
    rogue.state.clear()
    await rogue.join(elsewhere)
    await rogue.send(await asIf(rogue, await rogue.say('elsewhere', { aside: true }), rogue.idOf(said)))
    await home.settle()
    expect(await home.shown(roomId, rogue.idOf(said))).toMatchObject({ content: { body: 'first' } })
    expect(await home.history(elsewhere)).not.toContain('elsewhere')
  })

  test('an id that is taken in the state of a room, by an event that has no place yet, stays with it', async () => {
    const scene = await roomWithRogue('1')
    const { home, roomId, rogue } = scene
    await home.setState(roomId, 'm.room.power_levels', { users: { [home.alice.userId]: 100, [rogue.userId]: 50 } })
    await home.clock.run(5_000)
    const levels = { users: { [home.alice.userId]: 100, [rogue.userId]: 50 }, invite: 10 }
    for (const pdu of rogue.received) if (pdu.room_id === roomId) rogue.know(pdu)
    const allowed = await rogue.make({ type: 'm.room.power_levels', stateKey: '', content: levels })
    rogue.honest()
    const whole = rogue.script
    rogue.script = (asked) => (asked.path.includes('/get_missing_events/') ? undefined : whole(asked))
    await rogue.send(await rogue.say('upon it'))
    await home.settle()
    const current = () => home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.power_levels/`)
    expect(await current()).toMatchObject({ invite: 10 })
    expect((await keptAt(home, rogue.idOf(allowed)))?.stored.status).toBe('outlier')
    const greedy = { ...allowed, content: { users: { [rogue.userId]: 100 } } }
    await rogue.send(await asIf(rogue, greedy, rogue.idOf(allowed)))
    await home.settle()
    expect(await current()).toEqual(levels)
  })

  function chosen(rogue: RogueServer, eventId: string) {
    return { eventId, referenceHash: (id: string) => referenceHash(rogue.events.get(id) ?? {}, rogue.rules) }
  }
})

describe('a server that would have us ask others', () => {
  test('for auth events that never were has them asked for a few', async () => {
    const scene = await roomWithRogue()
    const { home, rogue, honest } = scene
    const bad: Pdu[] = []
    for (let i = 0; i < 40; i++) {
      const authEvents = Array.from({ length: 10 }, (_, k) => invented(10 * i + k))
      bad.push(await rogue.say(`bad ${i}`, { authEvents, aside: true }))
    }
    await rogue.send(...bad)
    await home.settle()
    expect(honest.asked.length).toBeLessThan(100)
    await expectToGoOn(scene)
  })

  describe('for auth events that rest on others without end', () => {
    /** An event that rests on the last of 40 memberships, each of which rests on the one before it; all but the first are unknown. */
    async function uponLongChain(scene: Awaited<ReturnType<typeof roomWithRogue>>) {
      const { rogue } = scene
      const key = stateKeyOf('m.room.member', rogue.userId)
      for (let i = 0; i < 40; i++) {
        const content = { membership: 'join', displayname: `${i}` }
        const pdu = await rogue.make({ type: 'm.room.member', stateKey: rogue.userId, content, aside: true })
        rogue.events.set(rogue.idOf(pdu), pdu)
        rogue.state.set(key, rogue.idOf(pdu))
      }
      rogue.honest()
      const first = scene.home.clock.now()
      await rogue.send(await rogue.say('bad', { aside: true }))
      await scene.home.settle()
      return scene.home.clock.now() - first
    }

    test('is asked for twenty of them in a row', async () => {
      const scene = await roomWithRogue()
      await uponLongChain(scene)
      expect(scene.rogue.asked).toHaveLength(20)
      await expectToGoOn(scene)
    })

    test('has two minutes of our time', async () => {
      const scene = await roomWithRogue()
      scene.rogue.delayMs = 8_000
      expect(await uponLongChain(scene)).toBeLessThan(140_000)
      expect(scene.rogue.asked.length).toBeLessThan(18)
      await expectToGoOn(scene)
    })
  })

  test('for what came before in another room has them asked once', async () => {
    const scene = await roomWithRogue()
    const { home, rogue, honest } = scene
    const elsewhere = await home.room()
    const first = await new RoomStore(home.server.disk.inspect()).room(elsewhere)
    await rogue.send(await rogue.say('bad', { prevEvents: [...(first?.forwardExtremities ?? [])], aside: true }))
    await home.settle()
    expect(honest.asked.filter(({ path }) => path.includes('/state_ids/'))).toHaveLength(1)
    await expectToGoOn(scene)
  })

  test('for history without end gets one answer for each page of it', async () => {
    const scene = await roomWithRogue()
    const { home, roomId, rogue } = scene
    let made = 0
    const before = async () => {
      const pdu = await rogue.say(`endless ${made}`, { prevEvents: [invented(++made)], depth: 1, aside: true })
      return pdu
    }
    const endless = await Promise.all(Array.from({ length: 300 }, before))
    let given = 0
    rogue.honest()
    const whole = rogue.script
    rogue.script = (asked) => {
      if (asked.path.includes('/get_missing_events/')) return { events: endless }
      if (!asked.path.includes('/backfill/')) return whole(asked)
      const pdus = endless.slice(given, given + 100)
      given += 100
      return { pdus }
    }
    await rogue.send(await rogue.say('last', { prevEvents: [rogue.idOf(endless[0] ?? {})], aside: true }))
    await home.settle()
    rogue.asked.length = 0
    await home.history(roomId)
    expect(rogue.asked.filter(({ path }) => path.includes('/backfill/')).length).toBeLessThanOrEqual(6)
    await expectToGoOn(scene)
  })
})

describe('a server that tells too much', () => {
  /** An event upon one that nobody gives, with the answers of `honest` and of who else is asked. */
  async function uponHidden(scene: Awaited<ReturnType<typeof roomWithRogue>>, prevEvents?: string[]) {
    const { home, rogue } = scene
    if (!prevEvents) await rogue.say('hidden')
    await rogue.send(await rogue.say('last', prevEvents ? { prevEvents, aside: true } : {}))
    await home.settle()
  }

  test('is not believed a state that is far larger than the room’s', async () => {
    const scene = await roomWithRogue()
    const { rogue } = scene
    const told = Array.from({ length: 20_000 }, (_, i) => invented(i))
    rogue.script = ({ path }) =>
      path.includes('/state_ids/') ? { pdu_ids: [...rogue.state.values(), ...told], auth_chain_ids: [] } : undefined
    await uponHidden(scene)
    expect(rogue.asked.filter(({ path }) => /\/(state|event)\//.test(path))).toEqual([])
    await expectToGoOn(scene)
  })

  test('has nothing kept that it was not asked for', async () => {
    const scene = await roomWithRogue()
    const { home, rogue } = scene
    const unasked = await rogue.make({ type: 'm.mark', stateKey: rogue.userId, content: {}, aside: true })
    const told = Array.from({ length: 30 }, (_, i) => invented(i))
    rogue.script = ({ path }): JsonObject | undefined => {
      if (path.includes('/state_ids/')) return { pdu_ids: [...rogue.state.values()], auth_chain_ids: told }
      return path.includes('/state/') ? { pdus: [unasked], auth_chain: [] } : undefined
    }
    await uponHidden(scene)
    expect(rogue.asked.some(({ path }) => path.includes('/state/'))).toBe(true)
    expect(await keptAt(home, rogue.idOf(unasked))).toBeUndefined()
    await expectToGoOn(scene)
  })

  test('by naming what never was, leaves a bounded number of ends, and those that there were before', async () => {
    const scene = await roomWithRogue()
    const { home, roomId, rogue, honest } = scene
    await honest.say('before')
    honest.honest()
    const whole = honest.script
    honest.script = (asked) => (asked.path.includes('/get_missing_events/') ? { events: [] } : whole(asked))
    await honest.send(await honest.say('first'))
    await home.settle()
    rogue.honest()
    for (let i = 0; i < 60; i++) {
      await uponHidden(
        scene,
        Array.from({ length: 20 }, (_, k) => invented(20 * i + k)),
      )
    }
    const room = await new RoomStore(home.server.disk.inspect()).room(roomId)
    expect(room?.backwardExtremities.length).toBe(1_000)
    expect(await home.history(roomId)).toContain('before')
    await expectToGoOn(scene)
  })
})

describe('an event too deep for us', () => {
  let deep: JsonValue = 1
  for (let level = 0; level < 1_000; level++) deep = [deep]

  async function withDeepEvent() {
    const scene = await roomWithRogue()
    const hidden = await scene.rogue.say('hidden')
    const bad = await scene.rogue.make({ content: { deep }, aside: true })
    return { ...scene, hidden, bad }
  }

  test('costs none of the others in its transaction', async () => {
    const scene = await withDeepEvent()
    const { home, roomId, rogue, hidden, bad } = scene
    expect(await rogue.send(hidden, bad)).toEqual({ [rogue.idOf(hidden)]: {} })
    await home.settle()
    expect(await home.history(roomId)).toEqual(['hidden'])
  })

  test('costs none of the others in an answer of an honest server', async () => {
    const { home, roomId, rogue, honest, hidden, bad } = await withDeepEvent()
    honest.script = ({ path }) => (path.includes('/get_missing_events/') ? { events: [hidden, bad] } : undefined)
    await rogue.send(await rogue.say('last'))
    await home.settle()
    expect(await home.history(roomId)).toEqual(['last', 'hidden'])
  })
})

test('events that nobody can judge wait, and those of one server do not push out those of another', async () => {
  const scene = await roomWithRogue()
  const { home, roomId, rogue, honest } = scene
  const hidden = await honest.say('hidden')
  const last = await honest.say('last')
  await honest.send(last)
  await home.settle()
  const unjudgeable = await Promise.all(
    Array.from({ length: 150 }, (_, i) => rogue.say(`bad ${i}`, { prevEvents: [invented(i)], aside: true })),
  )
  for (let from = 0; from < 150; from += 50) await rogue.send(...unjudgeable.slice(from, from + 50))
  await home.settle()
  await honest.send(hidden)
  await home.settle()
  expect(await home.history(roomId)).toEqual(['last', 'hidden'])
})

describe('a server that tells', () => {
  test('each one another thing ends with one of them, and a message that is sent again is one message', async () => {
    const scene = await roomWithRogue()
    const { home, roomId, rogue } = scene
    const named = (displayname: string) => ({ type: 'm.room.member', stateKey: rogue.userId, content: { membership: 'join', displayname } })
    const [one, two] = [await rogue.make({ ...named('One'), aside: true }), await rogue.make({ ...named('Two'), aside: true })]
    const said = await rogue.say('said')
    for (let times = 0; times < 3; times++) await rogue.send(one, two, said, said)
    await home.settle()
    const member = await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${rogue.userId}`)
    expect(['One', 'Two']).toContain(member.displayname)
    expect(await home.history(roomId)).toEqual(['said'])
    await expectToGoOn(scene)
  })

  test('a state without others changes nothing for them', async () => {
    const scene = await roomWithRogue()
    const { home, roomId, rogue, honest } = scene
    await rogue.say('hidden')
    const last = await rogue.say('last')
    const told = [...rogue.state].filter(([key]) => !key.endsWith(home.alice.userId) && !key.endsWith(honest.userId))
    const stateIds = { pdu_ids: told.map(([, eventId]) => eventId), auth_chain_ids: [] }
    rogue.script = ({ path }) => (path.includes('/state_ids/') ? stateIds : undefined)
    await rogue.send(last)
    await home.settle()
    const { joined } = await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)
    expect(Object.keys(Object(joined)).sort()).toEqual([home.alice.userId, honest.userId, rogue.userId].sort())
    await expectToGoOn(scene)
  })
})
