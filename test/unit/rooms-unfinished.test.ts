import { expect, test } from 'vitest'
import { put } from '../../src/ports/storage.ts'
import { UnfinishedRooms } from '../../src/rooms/unfinished-rooms.ts'
import { forbidden, unknownError } from '../../src/spec/errors.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { unsentInvites } from '../../src/storage/tables/rooms.ts'
import { encode, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const carol = '@carol:b.example'

/** A start that finds an invitation unsent to Carol, whose server answers as told, and takes it in the end. */
async function startWith(answers: readonly (() => Error)[]) {
  const left = [...answers]
  const sendInvite = async (_to: string, { pdu }: { readonly pdu: Pdu }) => {
    const failure = left.shift()
    if (failure) throw failure()
    return pdu
  }
  const api = await openClientApi({ remote: { sendInvite } })
  const roomId = await api.createRoom(alice)
  await api.storage.commit([put(unsentInvites, [roomId, carol], { sender: alice, content: { is_direct: true } })], 'strict')
  const upgrader = () => Promise.reject(new Error('nothing is to be closed'))
  const unfinished = new UnfinishedRooms({ ...api, logger: { log: () => undefined }, upgrader })
  await unfinished.start()
  const invite = async () => (await api.ask(alice, 'GET', `/v3/rooms/${encode(roomId)}/state/m.room.member/${carol}`)).body
  const rows = () => api.storage.read([unsentInvites], (tx) => tx.range(unsentInvites, {}))
  return { api, unfinished, invite, rows, left }
}

test('an invitation that a crash left unsent is sent once its server can be reached', async () => {
  const { api, invite, rows } = await startWith([() => unknownError('unreachable', 502), () => unknownError('unreachable', 504)])
  await api.clock.run(1000)
  expect(await invite()).toMatchObject({ errcode: 'M_NOT_FOUND' })
  await api.clock.run(3600_000)
  expect(await invite()).toMatchObject({ membership: 'invite', is_direct: true })
  expect(await rows()).toEqual([])
})

test('an invitation that its server refuses is not sent again', async () => {
  const { api, invite, rows } = await startWith([() => forbidden('no')])
  await api.clock.run(3600_000)
  expect(await invite()).toMatchObject({ errcode: 'M_NOT_FOUND' })
  expect(await rows()).toEqual([])
})

test('an invitation that has to wait when the homeserver stops is left to the next start', async () => {
  const { unfinished, rows, left } = await startWith([() => unknownError('unreachable', 502)])
  await unfinished.stop()
  expect(left).toEqual([])
  expect(await rows()).toHaveLength(1)
})
