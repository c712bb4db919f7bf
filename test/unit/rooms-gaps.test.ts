import { describe, expect, test } from 'vitest'
import type { Pdu } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { type Home, homeWorld, RogueServer } from './rogue-server.ts'

/** A room of home, with two other servers in it. */
async function roomOfThree(options: JsonObject = {}) {
  const home = await homeWorld()
  const roomId = await home.room(options)
  const [sender, witness] = [new RogueServer(home, 'sender.example'), new RogueServer(home, 'witness.example')]
  await sender.join(roomId)
  await witness.join(roomId)
  for (const pdu of witness.events.values()) if (pdu.sender === witness.userId) sender.know(pdu)
  return { home, roomId, sender, witness }
}

/** Events in a row that nobody was sent, and one more that is. */
async function chain(server: RogueServer, length: number): Promise<{ hidden: Pdu[]; last: Pdu }> {
  const hidden: Pdu[] = []
  for (let i = 0; i < length; i++) hidden.push(await server.say(`hidden ${i}`))
  return { hidden, last: await server.say('last') }
}

async function bodies(home: Home, roomId: string) {
  return (await home.history(roomId)).reverse()
}

describe('events that are missing before a new one', () => {
  test('are fetched from another server in the room where the sender does not give them', async () => {
    const { home, roomId, sender, witness } = await roomOfThree()
    const { hidden, last } = await chain(sender, 3)
    for (const pdu of [...hidden, last]) witness.know(pdu)
    witness.honest()
    expect(await sender.send(last)).toEqual({ [sender.idOf(last)]: {} })
    await home.settle()
    expect(await bodies(home, roomId)).toEqual(['hidden 0', 'hidden 1', 'hidden 2', 'last'])
  })

  test('are fetched in as many answers as they take, and come to clients in their order', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const { last } = await chain(sender, 25)
    sender.honest()
    const whole = sender.script
    sender.script = (asked) => {
      const answer = whole(asked)
      return answer && Array.isArray(answer.events) ? { events: answer.events.slice(0, 10) } : answer
    }
    await sender.send(last)
    await home.settle()
    expect(await bodies(home, roomId)).toEqual([...Array.from({ length: 25 }, (_, i) => `hidden ${i}`), 'last'])
  })

  test('and are too many are left for back-fill: the new one is placed upon the state that a server tells', async () => {
    const { home, roomId, sender, witness } = await roomOfThree()
    const { hidden, last } = await chain(sender, 30)
    for (const pdu of [...hidden, last]) witness.know(pdu)
    witness.honest()
    const whole = witness.script
    witness.script = (asked) => (asked.path.includes('/get_missing_events/') ? { events: [] } : whole(asked))
    await sender.send(last)
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeDefined()
    expect(await bodies(home, roomId)).toEqual([...Array.from({ length: 30 }, (_, i) => `hidden ${i}`), 'last'])
    expect(witness.asked.filter(({ path }) => path.includes('/backfill/')).length).toBeGreaterThan(0)
  })

  test('count only if they lead to it', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const { hidden, last } = await chain(sender, 1)
    const unasked = await sender.say('unasked', { aside: true })
    sender.script = ({ path }) => (path.includes('/get_missing_events/') ? { events: [unasked, ...hidden] } : undefined)
    await sender.send(last)
    await home.settle()
    expect(await bodies(home, roomId)).toEqual(['hidden 0', 'last'])
    expect(await home.shown(roomId, sender.idOf(unasked))).toBeUndefined()
  })

  test('are not looked for where what the new one names forbids it', async () => {
    const { home, sender } = await roomOfThree()
    await sender.say('hidden')
    const forbidden = await sender.make({ type: 'm.room.name', stateKey: '', content: { name: 'mine' } })
    await sender.send(forbidden)
    await home.settle()
    expect(sender.asked).toEqual([])
  })
})

describe('a state that a server tells', () => {
  test('is not believed where it lacks the create event or has a key twice: another server is asked', async () => {
    const { home, roomId, sender, witness } = await roomOfThree()
    const { last } = await chain(sender, 1)
    for (const pdu of sender.events.values()) witness.events.set(witness.idOf(pdu), pdu)
    witness.honest()
    const whole = witness.script
    witness.script = (asked) => (asked.path.includes('/get_missing_events/') ? undefined : whole(asked))
    const other = await sender.make({
      type: 'm.room.member',
      stateKey: sender.userId,
      content: { membership: 'join', displayname: 'Twice' },
      aside: true,
    })
    const twice = [...sender.state.values(), sender.idOf(other)]
    sender.script = ({ path }): JsonObject | undefined =>
      path.includes('/state_ids/')
        ? { pdu_ids: twice, auth_chain_ids: [] }
        : path.includes(encodeURIComponent(sender.idOf(other)))
          ? { pdus: [other] }
          : undefined
    await sender.send(last)
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeDefined()
    expect(witness.asked.some(({ path }) => path.includes('/state_ids/'))).toBe(true)
  })

  test('is not taken where part of it cannot be had: the event waits for that', async () => {
    const { home, roomId, sender } = await roomOfThree({ power_level_content_override: { state_default: 0 } })
    const mark = await sender.make({ type: 'm.mark', stateKey: '', content: { mark: 'made' } })
    const last = await sender.say('last')
    sender.honest()
    const whole = sender.script
    const isAsked = (path: string, pdu: Pdu) => path.endsWith(`/event/${encodeURIComponent(sender.idOf(pdu))}`)
    const tellsNoMore = (path: string) => path.includes('/get_missing_events/') || path.includes('/backfill/')
    sender.script = (asked) => (tellsNoMore(asked.path) || isAsked(asked.path, mark) ? undefined : whole(asked))
    await sender.send(last)
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeUndefined()
    sender.script = (asked) => (tellsNoMore(asked.path) ? undefined : whole(asked))
    await home.clock.run(60_000)
    await home.say(roomId, 'meanwhile')
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeDefined()
    expect(await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.mark/`)).toEqual({ mark: 'made' })
  })

  test('is taken without what is no valid event', async () => {
    const { home, roomId, sender } = await roomOfThree({ power_level_content_override: { state_default: 0 } })
    const { signatures: _, ...unsigned } = await sender.make({ type: 'm.mark', stateKey: '', content: { mark: 'made' } })
    const last = await sender.say('last')
    sender.honest()
    const whole = sender.script
    sender.script = ({ path, ...asked }) => {
      if (path.includes('/get_missing_events/')) return undefined
      return path.endsWith(encodeURIComponent(sender.idOf(unsigned)))
        ? { pdus: [{ ...unsigned, signatures: {} }] }
        : whole({ path, ...asked })
    }
    await sender.send(last)
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeDefined()
  })
})

describe('an event that nobody can judge yet', () => {
  test('waits, and is taken once what it refers to has come', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const { hidden, last } = await chain(sender, 1)
    expect(await sender.send(last)).toEqual({ [sender.idOf(last)]: {} })
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeUndefined()
    await sender.send(...hidden)
    await home.settle()
    expect(await bodies(home, roomId)).toEqual(['hidden 0', 'last'])
  })

  test('waits where its auth events are missing, too', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const renamed = await sender.make({
      type: 'm.room.member',
      stateKey: sender.userId,
      content: { membership: 'join', displayname: 'M' },
    })
    const last = await sender.say('as M')
    await sender.send(last)
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeUndefined()
    await sender.send(renamed)
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toMatchObject({ content: { body: 'as M' } })
  })

  test('waits through a crash, too', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const { hidden, last } = await chain(sender, 1)
    await sender.send(last)
    await home.settle()
    home.server.crash()
    await home.server.start()
    await home.settle()
    await sender.send(...hidden)
    await home.settle()
    expect(await bodies(home, roomId)).toEqual(['hidden 0', 'last'])
  })

  test('is taken at once when history brings what it refers to', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const { hidden, last } = await chain(sender, 1)
    const other = await sender.say('other', { prevEvents: hidden.map((pdu) => sender.idOf(pdu)), depth: sender.depth, aside: true })
    await sender.send(last)
    await home.settle()
    sender.honest()
    const whole = sender.script
    sender.script = (asked) => (asked.path.includes('/get_missing_events/') ? undefined : whole(asked))
    await sender.send(other)
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeUndefined()
    expect(await bodies(home, roomId)).toEqual(expect.arrayContaining(['hidden 0', 'other']))
    await home.settle()
    expect(await home.shown(roomId, sender.idOf(last))).toBeDefined()
  })

  test('is asked for again after a while, when the room goes on', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const fork = { prevEvents: [sender.head], depth: sender.depth + 1 }
    const { last } = await chain(sender, 1)
    await sender.send(last)
    await home.settle()
    sender.honest()
    await home.clock.run(60_000)
    await sender.send(await sender.say('meanwhile', { ...fork, aside: true }))
    await home.settle()
    expect(await bodies(home, roomId)).toEqual(expect.arrayContaining(['hidden 0', 'last', 'meanwhile']))
  })
})

describe('back-fill', () => {
  test('goes on past ends that nobody has, and does not ask for those again and again', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const { last } = await chain(sender, 2)
    const invented = Array.from({ length: 20 }, (_, i) => `$${'A'.repeat(41)}${String(i).padStart(2, '0')}`)
    const bad = await sender.say('names what never was', { prevEvents: invented, aside: true })
    sender.honest()
    const whole = sender.script
    sender.script = (asked) => (asked.path.includes('/get_missing_events/') ? undefined : whole(asked))
    await sender.send(bad)
    await sender.send(last)
    await home.settle()
    expect(await bodies(home, roomId)).toEqual(expect.arrayContaining(['hidden 0', 'hidden 1', 'last']))
    const asked = sender.asked.length
    await bodies(home, roomId)
    expect(sender.asked.length).toBe(asked)
  })

  test('takes nothing that was not asked for', async () => {
    const { home, roomId, sender } = await roomOfThree()
    const { hidden, last } = await chain(sender, 2)
    const unasked = await sender.say('unasked', { aside: true, prevEvents: [sender.head] })
    sender.honest()
    const whole = sender.script
    sender.script = (asked) => {
      if (asked.path.includes('/get_missing_events/')) return undefined
      return asked.path.includes('/backfill/') ? { pdus: [unasked, ...hidden] } : whole(asked)
    }
    await sender.send(last)
    await home.settle()
    expect(await bodies(home, roomId)).toEqual(['hidden 0', 'hidden 1', 'last'])
  })
})
