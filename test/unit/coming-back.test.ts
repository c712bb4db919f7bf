import { describe, expect, test } from 'vitest'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { viewRoom } from '../simulation/room-view.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import type { SimulatedClient } from '../simulation/simulated-client.ts'
import { World } from '../simulation/world.ts'

/** Three homeservers with a user each, all in a room of the first, of this join rule. */
async function sharedRoom(joinRule: 'public' | 'invite' | 'knock') {
  const world = new World(new SeededRandom(3), { servers: 3, clients: 3 })
  for (const server of world.servers) await server.start()
  for (const client of world.clients) await world.during(client.register())
  const [host, resident, wanderer] = world.clients
  if (!host || !resident || !wanderer) throw new Error('there are too few users')
  const { body } = await world.during(host.must('POST', '/v3/createRoom', { preset: 'public_chat' }))
  const roomId = String(body.room_id)
  const path = `/v3/rooms/${encodeURIComponent(roomId)}`
  for (const client of [resident, wanderer]) {
    await world.during(client.must('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${host.server.name}`, {}))
    await world.quiet()
  }
  await world.during(host.must('PUT', `${path}/state/m.room.join_rules/`, { join_rule: joinRule }))
  await world.quiet()
  const ask = (client: SimulatedClient, method: string, what: string, content?: JsonObject) =>
    world.during(client.ask(method, `${path}/${what}`, content))
  const comeBack = (how: 'join' | 'knock' = 'join') =>
    world.during(wanderer.ask('POST', `/v3/${how}/${encodeURIComponent(roomId)}?via=${resident.server.name}`, {}))
  const cut = (one: SimulatedClient, other: SimulatedClient) => {
    world.network.cut(one.server.name, other.server.name)
    world.network.cut(other.server.name, one.server.name)
  }
  /** Who is in the room, as each server has it. */
  const joined = async () => {
    const views = await Promise.all(world.servers.map((server) => viewRoom(server, roomId)))
    return views.map((view) => [...(view?.joined ?? [])].sort())
  }
  const ends = async () => {
    const views = await Promise.all(world.servers.map((server) => viewRoom(server, roomId)))
    return new Set(views.map((view) => [...(view?.room.forwardExtremities ?? [])].sort().join()))
  }
  return { world, host, resident, wanderer, roomId, ask, comeBack, cut, joined, ends }
}

async function bodies(client: SimulatedClient, { world, roomId }: { readonly world: World; readonly roomId: string }) {
  const { body } = await world.during(client.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=50`))
  const chunk = Array.isArray(body.chunk) ? body.chunk.filter(isObject) : []
  return chunk.flatMap(({ content }) => (isObject(content) && typeof content.body === 'string' ? [content.body] : []))
}

describe('a user who comes back to a room through a server that has not heard of their leaving', () => {
  test('is in the room for all, and is heard, where that server is told of it before', async () => {
    const room = await sharedRoom('public')
    const { world, host, resident, wanderer, roomId } = room
    room.cut(wanderer, resident)
    room.cut(host, resident)
    await room.ask(wanderer, 'POST', 'leave', {})
    await world.clock.run(60_000)
    world.network.heal()
    expect((await room.comeBack())?.status).toBe(200)
    await world.during(wanderer.say(roomId, 'back again'))
    await world.quiet()
    const everyone = [host.userId, resident.userId, wanderer.userId].sort()
    expect(await room.joined()).toEqual([everyone, everyone, everyone])
    for (const client of [host, resident]) expect(await bodies(client, room)).toContain('back again')
    expect((await room.ends()).size).toBe(1)
  })

  test('is in the room for all, and is heard, where they were removed by a server that cannot reach the other', async () => {
    const room = await sharedRoom('public')
    const { world, host, resident, wanderer, roomId } = room
    room.cut(host, resident)
    await room.ask(host, 'POST', 'kick', { user_id: wanderer.userId })
    await world.clock.run(60_000)
    expect((await room.comeBack())?.status).toBe(200)
    await world.during(wanderer.say(roomId, 'back again'))
    await world.clock.run(60_000)
    const everyone = [host.userId, resident.userId, wanderer.userId].sort()
    // Whoever was removed brings the news of it.
    expect(await room.joined()).toEqual([everyone, everyone, everyone])
    expect((await room.ends()).size).toBe(1)
    world.network.heal()
    await world.quiet()
    expect(await room.joined()).toEqual([everyone, everyone, everyone])
    for (const client of [host, resident]) expect(await bodies(client, room)).toContain('back again')
  })

  test('is refused where nobody may come back uninvited: what that server does not know yet, their own does', async () => {
    const room = await sharedRoom('invite')
    const { world, host, resident, wanderer } = room
    room.cut(host, resident)
    await room.ask(host, 'POST', 'kick', { user_id: wanderer.userId })
    await world.clock.run(60_000)
    expect(await room.comeBack()).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    world.network.heal()
    await world.quiet()
    const others = [host.userId, resident.userId].sort()
    expect(await room.joined()).toEqual([others, others, others])
  })

  test('may knock there: that server is told first that they are out', async () => {
    const room = await sharedRoom('knock')
    const { world, host, resident, wanderer } = room
    room.cut(wanderer, resident)
    room.cut(host, resident)
    await room.ask(wanderer, 'POST', 'leave', {})
    await world.clock.run(60_000)
    world.network.heal()
    expect((await room.comeBack('knock'))?.status).toBe(200)
  })
})
