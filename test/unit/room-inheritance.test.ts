import { expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { type ClientApi, encode, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const tag = { name: 'm.favourite', value: { order: 0.5 } }

/** A room of alice's and bob's that bob has tagged, muted and made loud. */
async function cherishedRoom(): Promise<{ api: ClientApi; old: string }> {
  const api = await openClientApi()
  const old = await api.createRoom(alice, { preset: 'public_chat', room_version: '11' })
  await api.join(bob, old)
  for (const user of [alice, bob]) {
    await api.tags.set(user, old, tag)
    const rule = { default: false, enabled: true, actions: [] }
    const conditions = [{ kind: 'event_match', key: 'room_id', pattern: old }]
    await api.pushRules.put(user, 'override', { rule: { ...rule, rule_id: old, conditions }, place: {} })
    await api.pushRules.put(user, 'room', { rule: { ...rule, rule_id: old, actions: ['notify'] }, place: {} })
  }
  return { api, old }
}

async function settings(api: ClientApi, user: string, roomId: string): Promise<JsonObject> {
  const { override, room } = await api.pushRules.of(user)
  return {
    tags: await api.tags.of(user, roomId),
    override: override.flatMap(({ rule_id: id, conditions }) => (id === roomId ? [JSON.stringify(conditions)] : [])),
    room: room.flatMap(({ rule_id: id, actions }) => (id === roomId ? [JSON.stringify(actions)] : [])),
  }
}

const inherited = (roomId: string) => ({
  tags: { [tag.name]: tag.value },
  override: [JSON.stringify([{ kind: 'event_match', key: 'room_id', pattern: roomId }])],
  room: ['["notify"]'],
})
const nothing = { tags: {}, override: [], room: [] }

test('tags and push rules go along into the room that replaces another, for who upgrades and for who follows', async () => {
  const { api, old } = await cherishedRoom()
  const { replacement_room: answer } = await api.post(alice, `/v3/rooms/${encode(old)}/upgrade`, { new_version: '12' })
  const roomId = String(answer)
  expect(await settings(api, alice, roomId)).toEqual(inherited(roomId))
  expect(await settings(api, bob, roomId)).toEqual(nothing)
  await api.join(bob, roomId)
  expect(await settings(api, bob, roomId)).toEqual(inherited(roomId))
  expect(await settings(api, bob, old)).toEqual(inherited(old))
})

test('and where people replace it by hand', async () => {
  const { api, old } = await cherishedRoom()
  const roomId = await api.createRoom(alice, { preset: 'public_chat', creation_content: { predecessor: { room_id: old } } })
  expect(await settings(api, alice, roomId)).toEqual(inherited(roomId))
  await api.put(alice, `/v3/rooms/${encode(old)}/state/m.room.tombstone/`, { body: 'moved', replacement_room: roomId })
  await api.join(bob, roomId)
  expect(await settings(api, bob, roomId)).toEqual(inherited(roomId))
})

test('but not into one that only says that it replaces it', async () => {
  const { api, old } = await cherishedRoom()
  const mallory = '@mallory:a.example'
  const roomId = await api.createRoom(mallory, { preset: 'public_chat', creation_content: { predecessor: { room_id: old } } })
  await api.join(bob, roomId)
  expect(await settings(api, bob, roomId)).toEqual(nothing)
})
