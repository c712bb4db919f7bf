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
