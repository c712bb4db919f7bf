import { expect, test } from 'vitest'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { Leader } from './leader.ts'

test('a suspended account has no event sent later, be it scheduled before or after', async () => {
  const leader = await Leader.start(new MemoryStorage())
  const admin = await leader.register('admin')
  const token = await leader.register('alice')
  const roomId = encodeURIComponent(String((await leader.post(token, '/createRoom')).room_id))
  const room = `/_matrix/client/v3/rooms/${roomId}`
  const delayed = (path: string) => ({
    method: 'PUT',
    path: `${room}/${path}?org.matrix.msc4140.delay=3600000`,
    body: { body: 'x' },
    token,
  })
  const scheduled = [
    await leader.call(delayed('send/m.room.message/1')),
    await leader.call(delayed('state/m.call.member/me')),
    await leader.call(delayed('send/m.room.redaction/2')),
  ]
  const suspend = { method: 'PUT', path: `/_matrix/client/v1/admin/suspend/${encodeURIComponent('@alice:a.example')}` }
  await leader.call({ ...suspend, body: { suspended: true }, token: admin })
  const refused = { status: 403, body: { errcode: 'M_USER_SUSPENDED' } }
  for (const { delay_id: id } of scheduled.slice(0, 2)) {
    const path = `/_matrix/client/unstable/org.matrix.msc4140/delayed_events/${id}/send`
    expect(await leader.ask({ method: 'POST', path })).toMatchObject(refused)
  }
  expect(await leader.ask(delayed('send/m.room.message/3'))).toMatchObject(refused)
  expect(await leader.ask(delayed('state/m.call.member/other'))).toMatchObject(refused)
  expect(await leader.ask(delayed('send/m.room.redaction/4'))).toMatchObject({ status: 200 })
})

test('a suspended account changes nothing of what others see, and goes on reading, leaving and logging out', async () => {
  const leader = await Leader.start(new MemoryStorage())
  const admin = await leader.register('admin')
  const token = await leader.register('alice')
  const alice = '@alice:a.example'
  const roomId = encodeURIComponent(String((await leader.post(token, '/createRoom', { preset: 'public_chat' })).room_id))
  const open = encodeURIComponent(String((await leader.post(admin, '/createRoom', { preset: 'public_chat' })).room_id))
  await leader.call({
    method: 'PUT',
    path: `/_matrix/client/v1/admin/suspend/${encodeURIComponent(alice)}`,
    body: { suspended: true },
    token: admin,
  })
  const status = async (method: string, path: string, body = {}) => {
    const answer = await leader.ask({ method, path: `/_matrix/client/v3${path}`, body, token })
    return answer.body.errcode ?? answer.status
  }
  const other = { user_id: '@admin:a.example' }
  const refused: [string, string, object?][] = [
    ['POST', '/createRoom'],
    ['POST', `/join/${open}`],
    ['POST', `/rooms/${open}/join`],
    ['POST', `/knock/${open}`],
    ...['invite', 'kick', 'ban', 'unban'].map((how): [string, string, object] => ['POST', `/rooms/${roomId}/${how}`, other]),
    ['POST', `/rooms/${roomId}/upgrade`, { new_version: '12' }],
    ['PUT', `/rooms/${roomId}/send/m.room.message/1`],
    ['PUT', `/rooms/${roomId}/state/m.room.topic/`],
    ['PUT', `/profile/${encodeURIComponent(alice)}/displayname`, { displayname: 'A' }],
    ['DELETE', `/profile/${encodeURIComponent(alice)}/displayname`],
  ]
  for (const [method, path, body] of refused) expect([path, await status(method, path, body)]).toEqual([path, 'M_USER_SUSPENDED'])
  for (const path of ['/sync', `/rooms/${roomId}/messages?dir=b`]) expect([path, await status('GET', path)]).toEqual([path, 200])
  for (const path of ['/keys/upload', `/rooms/${roomId}/leave`, '/logout']) expect([path, await status('POST', path)]).toEqual([path, 200])
})
