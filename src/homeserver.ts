import { composeClientApi } from './composition/client-api.ts'
import { composeFederation, type Federation } from './composition/federation.ts'
import { composeFederationApi } from './composition/federation-api.ts'
import { composeKeys } from './composition/keys.ts'
import { composePush } from './composition/push.ts'
import { composeRemotes } from './composition/remotes.ts'
import { composeRooms } from './composition/rooms.ts'
import { composeUsers } from './composition/users.ts'
import { Neighbourhood } from './federation/neighbourhood.ts'
import type { QueueStatus } from './federation/sender.ts'
import type { Endpoint } from './http/endpoint.ts'
import type { Handler } from './http/router.ts'
import type { HomeserverPorts } from './ports/homeserver-ports.ts'
import type { JoinProgress } from './rooms/join-progress.ts'
import { discardUnfinishedJoins } from './rooms/unfinished-joins.ts'
import { lazily } from './streams/lazily.ts'
import { Stream } from './streams/stream.ts'

/** A running homeserver. */
export interface Homeserver {
  /** Answers the Client-Server API. */
  readonly handleClient: Handler
  /** Answers the Server-Server API. */
  readonly handleFederation: Handler
  /** All that the two APIs serve, as data. */
  endpoints(): Promise<{ readonly client: readonly Endpoint[]; readonly federation: readonly Endpoint[] }>
  /** What waits for other servers, for people to see. */
  queues(): Promise<readonly QueueStatus[]>
  /** Joins through other servers that are under way, for people to see. */
  joins(): readonly JoinProgress[]
  /** Resolves once every event that other servers sent has been dealt with. */
  idle(): Promise<void>
  /** Stops sending and following. What is durable is taken up by the next start. */
  stop(): Promise<void>
}

/**
 * Composes a homeserver on its ports and starts it: what was staged, queued or half-sent goes on.
 *
 * @example
 * const homeserver = await createHomeserver({ storage: new MemoryStorage(), … })
 * const response = await homeserver.handleClient(new Request('https://x/_matrix/client/versions'), { trusted: true, address: 'page' })
 */
export async function createHomeserver(ports: HomeserverPorts): Promise<Homeserver> {
  // What a start reads is read together as far as it can be: each read waits for the disk of a browser that has just begun.
  const [stream] = await Promise.all([Stream.open(ports.storage), discardUnfinishedJoins(ports.storage)])
  const remotes = composeRemotes(ports)
  const rooms = composeRooms({ ...ports, stream, remotes, deliver: (server) => federation.sender.deliver(server) })
  const federation: Federation = composeFederation({ ...ports, stream, remotes, store: rooms.store })
  const members = rooms.currentMembers
  const keys = composeKeys({ ...ports, stream, remotes, federation, members })
  const users = await composeUsers({ ...ports, stream, remotes, federation, keys, members })
  const { serverName } = ports.signer
  const neighbourhood = new Neighbourhood({ ...ports, ...rooms, ...federation, ...keys, ...users, serverName })
  const media = lazily(async () => (await import('./composition/media.ts')).composeMedia({ ...ports, remotes }))
  const parts = { ...ports, stream, remotes, rooms, federation, keys, users, media }
  const push = composePush(parts)
  const client = composeClientApi(parts)
  const server = composeFederationApi(parts)
  await rooms.sticky.start()
  await federation.sender.start()
  await Promise.all([rooms.receiver.resume(), push.start(), client.delayedEvents.start(), client.unfinishedRooms.start()])
  return {
    handleClient: client.handle,
    handleFederation: server.handle,
    endpoints: async () => ({ client: await client.endpoints(), federation: await server.endpoints() }),
    queues: () => federation.sender.queues(),
    joins: () => rooms.joins.all(),
    idle: async () => {
      await rooms.receiver.idle()
      await neighbourhood.idle()
      await rooms.guestAccess.idle()
    },
    stop: async () => {
      rooms.receiver.stop()
      await federation.sender.stop()
      await push.stop()
      await client.delayedEvents.stop()
      await client.unfinishedRooms.stop()
      await rooms.receiver.idle()
      await neighbourhood.idle()
      await rooms.guestAccess.idle()
    },
  }
}
