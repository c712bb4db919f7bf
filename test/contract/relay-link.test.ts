import { afterEach, expect, test, vi } from 'vitest'
import { createNode } from '../../worker/libp2p-create.ts'
import { createHello } from '../../worker/libp2p-incarnation.ts'
import { remotePrivateKey } from '../../worker/libp2p-key.ts'
import { keepRelayLink } from '../../worker/libp2p-relay-link.ts'
import { createReservations } from '../../worker/libp2p-reservations.ts'
import { onStop, startTestRelay, stopAll, TestKey, until } from './relay-fixture.ts'

afterEach(async () => {
  vi.useRealTimers()
  await stopAll()
})

test('a reservation that is lost while the connection stays open is made again', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true })
  const { ready } = await startTestRelay()
  const key = new TestKey()
  const sign = async (message: Uint8Array) => key.sign(message)
  const library = createReservations()
  let reservations = 0
  let lost = false
  const node = await createNode({
    privateKey: remotePrivateKey(key.publicKey, sign),
    reservations: library,
    relayAddresses: [ready.address],
    rtc: false,
    iceServers: [],
  })
  await node.start()
  onStop(() => node.stop())
  const link = keepRelayLink(ready, {
    node,
    reservations: {
      transport: library.transport,
      reserve: async (peer) => {
        await library.reserve(peer)
        reservations++
        lost = false
      },
      has: (peer) => !lost && library.has(peer),
    },
    hello: createHello({ serverName: key.label, publicKey: key.publicKey, incarnation: 1 }, { sign }),
    freshToken: async () => undefined,
    mail: async () => ({ status: 200, headers: {}, body: new Uint8Array() }),
    changed: () => undefined,
    overtaken: async () => undefined,
    log: () => undefined,
  })
  onStop(() => link.stop())
  await until(() => link.state === 'admitted')
  const [connection] = node.getConnections()
  expect(reservations).toBe(1)
  lost = true
  await until(async () => {
    await vi.advanceTimersByTimeAsync(5_000)
    return reservations === 2
  })
  expect(node.getConnections()).toEqual([connection])
  expect(link.state).toBe('admitted')
})
