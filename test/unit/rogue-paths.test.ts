import { beforeAll, describe, expect, test } from 'vitest'
import { RoomStore } from '../../src/rooms/room-store.ts'
import { type EventId, type Pdu, type RoomId, stateKeyOf } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { type Attack, attacks, type Victim } from './rogue-attacks.ts'
import { foundRoom, hosted, stateOf } from './rogue-room.ts'
import { type Asked, type Home, homeWorld, keptAt, RogueServer } from './rogue-server.ts'

/** A room of home with a rogue and an honest server in it, and another room in which neither is. */
async function roomWithRogue() {
  const home = await homeWorld()
  const [roomId, otherRoom] = [await home.room(), await home.room()]
  const [rogue, honest] = [new RogueServer(home, 'rogue.example'), new RogueServer(home, 'honest.example')]
  await rogue.join(roomId)
  await honest.join(roomId)
  for (const pdu of honest.events.values()) if (pdu.sender === honest.userId) rogue.know(pdu)
  return { home, roomId, rogue, honest, victim: await victimOf(home, otherRoom) }
}

async function victimOf(home: Home, otherRoom: RoomId): Promise<Victim> {
  const room = await new RoomStore(home.server.disk.inspect()).room(otherRoom)
  const otherLevels = room?.state.get(stateKeyOf('m.room.power_levels', '')) ?? ''
  return { userId: home.alice.userId, otherRoom, otherLevels }
}

type Scene = Awaited<ReturnType<typeof roomWithRogue>>

interface Path {
  readonly bring: (scene: Scene, bad: Pdu) => Promise<void>
  /** The event comes as part of something else, and gets no place of its own. */
  readonly aside?: true
}

/** Ways in which a server can bring an event to us. */
const paths: Readonly<Record<string, Path>> = {
  'in a transaction': {
    bring: async ({ rogue }, bad) => void (await rogue.send(bad)),
  },
  'among missing events': {
    bring: async ({ rogue }, bad) => {
      const last = await rogue.say('after', { prevEvents: [rogue.idOf(bad)], aside: true })
      rogue.script = ({ path }) => (path.includes('/get_missing_events/') ? { events: [bad] } : undefined)
      await rogue.send(last)
    },
  },
  'in back-fill': {
    bring: async ({ home, roomId, rogue }, bad) => {
      const last = await rogue.say('after', { prevEvents: [rogue.idOf(bad)], aside: true })
      rogue.honest()
      rogue.script = instead(rogue, { '/get_missing_events/': { events: [] }, '/backfill/': { pdus: [bad] } })
      await rogue.send(last)
      await home.settle()
      await home.history(roomId)
    },
  },
  'as part of a state': {
    aside: true,
    bring: async ({ rogue }, bad) => {
      const told = new Map(rogue.state)
      told.set(stateKeyOf(String(bad.type), String(bad.state_key)), rogue.idOf(bad))
      await rogue.say('hidden')
      const last = await rogue.say('after')
      const stateIds = { pdu_ids: [...told.values()], auth_chain_ids: [] }
      rogue.script = ({ path }) => (path.includes('/state_ids/') ? stateIds : path.includes('/event/') ? { pdus: [bad] } : undefined)
      await rogue.send(last)
    },
  },
  'in an auth chain': {
    aside: true,
    bring: async ({ rogue }, bad) => {
      await rogue.say('hidden')
      const last = await rogue.say('after')
      const stateIds = { pdu_ids: [...rogue.state.values()], auth_chain_ids: [rogue.idOf(bad)] }
      rogue.script = ({ path }) => (path.includes('/state_ids/') ? stateIds : path.includes('/event/') ? { pdus: [bad] } : undefined)
      await rogue.send(last)
    },
  },
  'as an auth event of another': {
    aside: true,
    bring: async ({ rogue }, bad) => {
      rogue.script = ({ path }) => (path.includes('/event/') ? { pdus: [bad] } : undefined)
      await rogue.send(await rogue.say('citing', { authEvents: [rogue.idOf(bad)] }))
    },
  },
}

/** Honest answers, but for those of some endpoints. */
function instead(rogue: RogueServer, answers: Readonly<Record<string, JsonObject>>) {
  const honest = rogue.script
  return (asked: Asked) => Object.entries(answers).find(([part]) => asked.path.includes(part))?.[1] ?? honest(asked)
}

/** What home made of an event. */
async function verdictAt(home: Home, eventId: EventId): Promise<string> {
  const kept = await keptAt(home, eventId)
  if (!kept) return 'dropped'
  return kept.stored.status === 'accepted' && Object.keys(kept.event.content).length === 0 ? 'redacted' : kept.stored.status
}

function expected({ verdict, but }: Attack, path: string): string {
  if (but?.path === path) return but.verdict
  const aside = paths[path]?.aside
  return aside && verdict !== 'dropped' && verdict !== 'rejected' ? 'outlier' : verdict
}

let rounds = 0

/** The room goes on: what an honest server and what our user says arrives. */
async function expectToGoOn({ home, roomId, rogue, honest }: Scene): Promise<void> {
  rogue.script = () => undefined
  const said = `good ${rounds++}`
  const good = await honest.say(said)
  expect(await honest.send(good)).toEqual({ [honest.idOf(good)]: {} })
  await home.settle()
  await home.say(roomId, `after ${said}`)
  expect(await home.history(roomId)).toEqual(expect.arrayContaining([said, `after ${said}`]))
}

describe.each(Object.entries(paths))('an event that comes %s', (name, path) => {
  let scene: Scene
  beforeAll(async () => {
    scene = await roomWithRogue()
  })

  test.each(attacks)('with $name is $verdict, and the room goes on', async (attack) => {
    const bad = await attack.make(scene.rogue, scene.victim)
    await path.bring(scene, bad)
    await scene.home.settle()
    expect(await verdictAt(scene.home, scene.rogue.idOf(bad))).toBe(expected(attack, name))
    await expectToGoOn(scene)
  })
})

describe('a join through a rogue', () => {
  const ofFormat = attacks.filter(({ verdict }) => verdict === 'dropped' || verdict === 'redacted')
  test.each(ofFormat)('takes nothing of its state with $name', async (attack) => {
    const home = await homeWorld()
    const rogue = new RogueServer(home, 'rogue.example')
    const roomId = await foundRoom(rogue)
    const bad = await attack.make(rogue, await victimOf(home, await home.room()))
    rogue.script = (asked) => {
      const state = [...stateOf(rogue), bad]
      return asked.path.includes('/send_join/') ? { state, auth_chain: state } : hosted(rogue, asked)
    }
    await home.must('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${rogue.name}`)
    const kept = await keptAt(home, rogue.idOf(bad))
    expect(kept?.event.content ?? {}).toEqual({})
    await home.say(roomId, 'mine')
    expect(await home.history(roomId)).toContain('mine')
  })
})
