import { expect, test } from 'vitest'
import { at, encode, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'

test('a user who blocks invitations gets none, and is shown none that came before', async () => {
  const api = await openClientApi()
  const earlier = await api.createRoom(bob, { invite: [alice] })
  const block = (content: Record<string, string>) => api.accountData.set(alice, '', { type: 'm.invite_permission_config', content })
  await block({ default_action: 'block' })
  const roomId = await api.createRoom(bob)
  const refused = [403, 'M_INVITE_BLOCKED']
  const invite = await api.ask(bob, 'POST', `/v3/rooms/${encode(roomId)}/invite`, { user_id: alice })
  expect([invite.status, invite.body.errcode]).toEqual(refused)
  const state = await api.ask(bob, 'PUT', `/v3/rooms/${encode(roomId)}/state/m.room.member/${alice}`, { membership: 'invite' })
  expect([state.status, state.body.errcode]).toEqual(refused)
  const create = await api.ask(bob, 'POST', '/v3/createRoom', { invite: [alice] })
  expect([create.status, create.body.errcode]).toEqual(refused)
  expect(at(await api.get(alice, '/v3/sync'), 'rooms', 'invite')).toBeUndefined()
  const lists = { all: { timeline_limit: 1, required_state: [], ranges: [[0, 9]] } }
  const sliding = await api.post(alice, '/unstable/org.matrix.simplified_msc3575/sync', { lists })
  expect(at(sliding, 'lists', 'all', 'count')).toBe(0)
  await block({})
  expect(at(await api.get(alice, '/v3/sync'), 'rooms', 'invite', earlier)).toBeDefined()
  expect((await api.ask(bob, 'POST', `/v3/rooms/${encode(roomId)}/invite`, { user_id: alice })).status).toBe(200)
})
