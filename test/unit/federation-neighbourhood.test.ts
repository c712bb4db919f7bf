import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { put } from '../../src/ports/storage.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { remoteDevices } from '../../src/storage/tables/keys.ts'
import { type InProcessHomeserver, InProcessNetwork } from '../contract/homeservers-in-process.ts'

let network: InProcessNetwork
let a: InProcessHomeserver
let b: InProcessHomeserver
let alice: string
let bob: string

beforeEach(async () => {
  network = new InProcessNetwork()
  a = await network.start('a.example')
  b = await network.start('b.example')
  alice = await register(a, 'alice')
  bob = await register(b, 'bob')
})

afterEach(() => network.stop())

async function ask(
  server: InProcessHomeserver,
  method: string,
  path: string,
  asking: { token?: string; body?: object } = {},
): Promise<JsonObject> {
  const headers: Record<string, string> = asking.token === undefined ? {} : { authorization: `Bearer ${asking.token}` }
  const response = await server.fetch(`http://${server.name}/_matrix/client${path}`, {
    method,
    headers,
    ...(asking.body ? { body: JSON.stringify(asking.body) } : {}),
  })
  const body: JsonObject = await response.json()
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(body)}`)
  return body
}

async function register(server: InProcessHomeserver, username: string): Promise<string> {
  const body = { username, password: 'x', device_id: `${username}s`, auth: { type: 'm.login.dummy' } }
  return String((await ask(server, 'POST', '/v3/register', { body })).access_token)
}

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('waited in vain')
}

/** Bob joins a room of Alice's. */
async function meet(): Promise<string> {
  const created = await ask(a, 'POST', '/v3/createRoom', { token: alice, body: { preset: 'public_chat' } })
  const path = `/v3/join/${encodeURIComponent(String(created.room_id))}?server_name=a.example`
  await ask(b, 'POST', path, { token: bob, body: {} })
  return String(created.room_id)
}

const presenceOf = async (server: InProcessHomeserver, token: string, userId: string) =>
  (await ask(server, 'GET', `/v3/presence/${userId}/status`, { token })).presence

const known = (server: InProcessHomeserver, userId: string) => server.storage.read([remoteDevices], (tx) => tx.get(remoteDevices, userId))

describe('servers that come to share a room', () => {
  test('learn who is online on the other side, both ways', async () => {
    await ask(a, 'PUT', '/v3/presence/@alice:a.example/status', { token: alice, body: { presence: 'online' } })
    await ask(b, 'PUT', '/v3/presence/@bob:b.example/status', { token: bob, body: { presence: 'online' } })
    await meet()
    await until(async () => (await presenceOf(b, bob, '@alice:a.example')) === 'online')
    await until(async () => (await presenceOf(a, alice, '@bob:b.example')) === 'online')
  })

  test('are told of the devices of who joins, once', async () => {
    const announced = () => network.edus.filter(({ to, edu }) => to === 'a.example' && edu.edu_type === 'm.device_list_update')
    await meet()
    await until(async () => announced().length > 0)
    await meet()
    await ask(b, 'PUT', '/v3/devices/bobs', { token: bob, body: { display_name: 'Phone' } })
    await until(async () => announced().length > 1)
    expect(announced().map(({ edu }) => edu.content)).toMatchObject([
      { user_id: '@bob:b.example', device_id: 'bobs' },
      { user_id: '@bob:b.example', device_id: 'bobs', device_display_name: 'Phone' },
    ])
  })

  test('forget the devices of who shares no room any more, and only then', async () => {
    const [first, second] = [await meet(), await meet()]
    await ask(a, 'POST', '/v3/keys/query', { token: alice, body: { device_keys: { '@bob:b.example': [] } } })
    const leave = (roomId: string) => ask(b, 'POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`, { token: bob, body: {} })
    const members = async (roomId: string) =>
      (await ask(a, 'GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`, { token: alice })).joined
    await leave(first)
    await until(async () => Object.keys((await members(first)) ?? {}).length === 1)
    await a.homeserver.idle()
    expect(await known(a, '@bob:b.example')).toBeDefined()
    await leave(second)
    await until(async () => (await known(a, '@bob:b.example')) === undefined)
  })

  test('forget the devices of all who were met in a room alone that our last user left', async () => {
    const roomId = await meet()
    await ask(a, 'POST', '/v3/keys/query', { token: alice, body: { device_keys: { '@bob:b.example': [] } } })
    await a.homeserver.idle()
    expect(await known(a, '@bob:b.example')).toBeDefined()
    await ask(a, 'POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`, { token: alice, body: {} })
    await a.homeserver.idle()
    expect(await known(a, '@bob:b.example')).toBeUndefined()
  })

  test('keep nothing of whom they meet again that they knew before they parted', async () => {
    const roomId = encodeURIComponent(await meet())
    await ask(a, 'POST', `/v3/rooms/${roomId}/leave`, { token: alice, body: {} })
    await a.homeserver.idle()
    // As a crash at the parting leaves it.
    await a.storage.commit([put(remoteDevices, '@bob:b.example', { devices: {} })])
    await ask(a, 'POST', `/v3/join/${roomId}?server_name=b.example`, { token: alice, body: {} })
    await a.homeserver.idle()
    expect(await known(a, '@bob:b.example')).toBeUndefined()
  })
})
