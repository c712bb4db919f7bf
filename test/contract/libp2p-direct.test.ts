import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, test } from 'vitest'
import { createDirectPeers, guardSignalling, type HandlerRegistry } from '../../worker/libp2p-direct.ts'
import { labelOfPeer } from '../../worker/libp2p-peer.ts'
import { onStop, stopAll } from './relay-fixture.ts'

afterEach(stopAll)

const signalling = '/webrtc-signaling/0.0.1'

async function startNode() {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), registry: ({ registrar }: { readonly registrar: HandlerRegistry }) => registrar },
  })
  onStop(() => node.stop())
  return node
}

test('signalling for WebRTC, which tells addresses, is taken from peers alone that the homeserver has to do with', async () => {
  const ours = await startNode()
  const answered: string[] = []
  await ours.handle(signalling, (stream, connection) => {
    answered.push(String(connection.remotePeer))
    stream.send(Uint8Array.of(1))
  })
  const peers = createDirectPeers()
  await guardSignalling(ours, peers)
  const theirs = await startNode()
  const ask = async (): Promise<'answered' | 'refused'> => {
    const stream = await theirs.dialProtocol(ours.getMultiaddrs(), signalling)
    for await (const _bytes of stream) return 'answered'
    return 'refused'
  }
  await expect(ask().catch(() => 'refused')).resolves.toBe('refused')
  expect(answered).toEqual([])
  peers.approve(labelOfPeer(theirs.peerId) ?? '')
  expect(await ask()).toBe('answered')
  expect(answered).toEqual([String(theirs.peerId)])
})
