import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { toDeviceTransactions } from '../../src/storage/tables/keys.ts'
import { json } from './keys-fixture.ts'
import { openUsers, type UsersFixture } from './users-fixture.ts'

let home: UsersFixture
let alice: { userId: string; token: string }
let bob: { userId: string; token: string }

beforeEach(async () => {
  home = await openUsers()
  alice = await home.register('alice', { device_id: 'PHONE' })
  bob = await home.register('bob', { device_id: 'ONE' })
  await home.ask('POST', '/v3/login', { body: { ...home.passwordAuth('bob'), device_id: 'TWO' } })
})

const send = (messages: object, txnId: string, type = 'm.room_key') =>
  home.ask('PUT', `/v3/sendToDevice/${type}/${txnId}`, { token: alice.token, body: { messages } })
const pending = async (deviceId: string, since = 0, limit = 100) =>
  home.toDevice.pending(bob.userId, deviceId, { since, upTo: home.stream.current, limit })

describe('messages to devices', () => {
  test('reach the device named, or all, and no device that does not exist', async () => {
    expect((await send({ [bob.userId]: { ONE: { n: 1 }, GONE: { n: 0 } }, '@nobody:a.example': { '*': {} } }, 't1')).body).toEqual({})
    await send({ [bob.userId]: { '*': { n: 2 } } }, 't2')
    const event = (n: number) => ({ type: 'm.room_key', sender: alice.userId, content: { n } })
    expect((await pending('ONE')).events).toEqual([event(1), event(2)])
    expect((await pending('TWO')).events).toEqual([event(2)])
  })

  test('are sent once for each transaction, also when it is repeated at once or after a restart', async () => {
    await Promise.all([send({ [bob.userId]: { ONE: { n: 1 } } }, 't'), send({ [bob.userId]: { ONE: { n: 1 } } }, 't')])
    home = await openUsers({ storage: home.storage })
    await send({ [bob.userId]: { ONE: { n: 1 } } }, 't')
    expect((await pending('ONE')).events).toHaveLength(1)
    await send({ [bob.userId]: { ONE: { n: 1 } } }, 't', 'm.other')
    expect((await pending('ONE')).events).toHaveLength(2)
  })

  test('wait until they are acknowledged, in pieces of a limit, none lost and none twice', async () => {
    for (let n = 0; n < 5; n++) await send({ [bob.userId]: { ONE: { n } } }, `t${n}`)
    const seen: unknown[] = []
    let since = 0
    for (let round = 0; round < 3; round++) {
      const { events, through } = await pending('ONE', since, 2)
      expect(await pending('ONE', since, 2)).toEqual({ events, through })
      seen.push(...events.map(({ content }) => content))
      await home.toDevice.acknowledge(bob.userId, 'ONE', through)
      since = through
    }
    expect(seen).toEqual([0, 1, 2, 3, 4].map((n) => ({ n })))
    expect(since).toBe(home.stream.current)
    expect((await pending('ONE')).events).toEqual([])
    await send({ [bob.userId]: { ONE: { n: 9 } } }, 'late')
    await home.toDevice.acknowledge(bob.userId, 'ONE', since)
    expect((await pending('ONE', since)).events).toHaveLength(1)
  })

  test('are gone with the device', async () => {
    await send({ [bob.userId]: { ONE: { n: 1 } } }, 't')
    await home.ask('POST', '/v3/logout', { token: bob.token })
    await home.ask('POST', '/v3/login', { body: { ...home.passwordAuth('bob'), device_id: 'ONE' } })
    expect((await pending('ONE')).events).toEqual([])
  })

  test('for other servers become one EDU for each server', async () => {
    await send({ '@carol:b.example': { DESK: { n: 1 } }, '@dave:b.example': { '*': { n: 2 } }, '@erin:c.example': { X: {} } }, 't')
    expect(await home.outgoing('b.example')).toEqual([
      {
        edu_type: 'm.direct_to_device',
        content: {
          sender: alice.userId,
          type: 'm.room_key',
          message_id: expect.stringMatching(/^.{1,32}$/),
          messages: { '@carol:b.example': { DESK: { n: 1 } }, '@dave:b.example': { '*': { n: 2 } } },
        },
      },
    ])
    expect(await home.outgoing('c.example')).toHaveLength(1)
  })

  test('wake the queues of the servers they go to, and make none for what is no user', async () => {
    home.woken.length = 0
    await send({ '@carol:b.example': { DESK: {} }, 'carol:b.example': { DESK: {} }, '@x:no server': { X: {} }, x: { X: {} } }, 't')
    expect(home.woken).toEqual(['b.example'])
    expect(await home.outgoing('no server')).toEqual([])
    expect(await home.outgoing('b.example')).toMatchObject([{ content: { messages: { '@carol:b.example': { DESK: {} } } } }])
  })

  test('of long ago are forgotten, those of today are not', async () => {
    const ids = async () => (await home.storage.read([toDeviceTransactions], (tx) => tx.range(toDeviceTransactions, {}))).length
    for (let n = 0; n < 499; n++) await send({}, `old${n}`)
    expect(await ids()).toBe(499)
    await home.clock.run(25 * 60 * 60 * 1000)
    await send({}, 'new')
    expect(await ids()).toBe(1)
    await send({ [bob.userId]: { ONE: {} } }, 'new')
    expect((await pending('ONE')).events).toEqual([])
  })

  test('from other servers are taken once, of their own users, for ours', async () => {
    const edu = {
      sender: '@carol:b.example',
      type: 'm.x',
      message_id: 'm1',
      messages: { [bob.userId]: { '*': { n: 1 } }, '@x:c.example': { X: {} } },
    }
    await Promise.all([home.toDevice.receive('b.example', json(edu)), home.toDevice.receive('b.example', json(edu))])
    await home.toDevice.receive('c.example', json({ ...edu, message_id: 'm2' }))
    await home.toDevice.receive('b.example', json({ ...edu, sender: alice.userId, message_id: 'm3' }))
    expect((await pending('ONE')).events).toEqual([{ type: 'm.x', sender: '@carol:b.example', content: { n: 1 } }])
    expect((await pending('TWO')).events).toHaveLength(1)
  })

  test('in any other shape do no harm', async () => {
    const field = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('@carol:b.example', 'm.x', { '@bob:a.example': { ONE: 1 } }, { '@bob:a.example': [] }),
    )
    await fc.assert(
      fc.asyncProperty(fc.record({ sender: field, type: field, message_id: field, messages: field }), (content) =>
        home.toDevice.receive('b.example', json(content)),
      ),
    )
    expect((await pending('ONE')).events).toEqual([])
  })

  test.each([
    ['no messages', {}, 'M_MISSING_PARAM'],
    ['messages that are a list', { messages: [] }, 'M_BAD_JSON'],
    ['a message that is a string', { messages: { '@bob:a.example': { ONE: 'x' } } }, 'M_BAD_JSON'],
  ])('with %s are refused', async (_, body, errcode) => {
    const answer = await home.ask('PUT', '/v3/sendToDevice/m.x/t', { token: alice.token, body })
    expect([answer.status, answer.body.errcode]).toEqual([400, errcode])
  })
})
