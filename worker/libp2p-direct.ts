import type { Libp2p, StreamHandler, StreamHandlerOptions } from '@libp2p/interface'
import type { Label } from '../src/spec/self-certifying.ts'
import { labelOfPeer } from './libp2p-peer.ts'

/** The peers that may learn this machine's addresses, which a direct connection tells them. */
export interface DirectPeers {
  /** Our homeserver has to do with this one: it asked it something, or took it into a room. */
  approve(label: Label): void
  isApproved(label: Label): boolean
}

/** What is used of libp2p's registrar, which a node keeps to itself. */
export interface HandlerRegistry {
  getHandler(protocol: string): { readonly handler: StreamHandler; readonly options: StreamHandlerOptions }
  handle(protocol: string, handler: StreamHandler, options: StreamHandlerOptions): Promise<void>
}

const signalling = '/webrtc-signaling/0.0.1'
const maxPeers = 10_000

export function createDirectPeers(): DirectPeers {
  const approved = new Set<Label>()
  return {
    approve: (label) => {
      approved.delete(label)
      approved.add(label)
      const [oldest] = approved
      if (approved.size > maxPeers && oldest !== undefined) approved.delete(oldest)
    },
    isApproved: (label) => approved.has(label),
  }
}

/** Has a started node take WebRTC's signalling from approved peers alone: others learn no address, whoever asks. */
export async function guardSignalling(node: Libp2p<{ registry: HandlerRegistry }>, { isApproved }: DirectPeers): Promise<void> {
  const { registry } = node.services
  const { handler, options } = registry.getHandler(signalling)
  const guarded: StreamHandler = (stream, connection) => {
    const label = labelOfPeer(connection.remotePeer)
    if (label !== undefined && isApproved(label)) return handler(stream, connection)
    stream.abort(new Error('No direct connections with strangers'))
  }
  await registry.handle(signalling, guarded, { ...options, force: true })
}
