import type { HomeserverPorts } from '../ports/homeserver-ports.ts'
import { Backfill } from '../rooms/backfill.ts'
import { RoomCommitter } from '../rooms/commit.ts'
import { CurrentMembers } from '../rooms/current-members.ts'
import { GapFiller } from '../rooms/gap-filler.ts'
import { GuestAccess } from '../rooms/guest-access.ts'
import { JoinsUnderWay } from '../rooms/join-progress.ts'
import { MemberLists } from '../rooms/member-lists.ts'
import { RoomMembership } from '../rooms/membership.ts'
import { EventPlacer } from '../rooms/place.ts'
import { PolicyServers } from '../rooms/policy-servers.ts'
import { RoomReceiver } from '../rooms/receive.ts'
import { RoomQueue } from '../rooms/room-queue.ts'
import { RoomStore } from '../rooms/room-store.ts'
import { RoomSender } from '../rooms/send.ts'
import { StickyEvents } from '../rooms/sticky-events.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { accountData, accounts, profiles } from '../storage/tables/users.ts'
import { lazily } from '../streams/lazily.ts'
import type { Stream } from '../streams/stream.ts'
import { blocksInvites, invitePermissionType } from '../users/account-data.ts'
import type { Remotes } from './remotes.ts'

/** The event pipeline and what stands directly on it. */
export function composeRooms(
  ports: HomeserverPorts & {
    readonly stream: Stream
    readonly remotes: Remotes
    /** Has a server sent what waits for it, within a few seconds. */
    readonly deliver: (server: ServerName) => Promise<void>
  },
) {
  const { storage, stream, clock, random, logger, remotes } = ports
  const { serverName } = ports.signer
  const { verifier, signEvent, rooms: remote } = remotes
  const store = new RoomStore(storage, stream.current)
  const queue = new RoomQueue(store, new RoomCommitter({ stream, store, clock, serverName }))
  const memberLists = new MemberLists(store)
  const sticky = new StickyEvents({ storage, store, clock })
  const currentMembers = new CurrentMembers({ store, members: memberLists })
  const policyServers = new PolicyServers({ store, members: currentMembers, remote, signatures: ports.verifier, logger, serverName })
  const sender = new RoomSender({ queue, store, clock, random, signEvent, policyServers })
  const gapFiller = new GapFiller({ store, members: currentMembers, remote, verifier, clock, logger, serverName })
  const placer = new EventPlacer({ queue, gapFiller })
  const receiver = new RoomReceiver({
    storage,
    stream,
    store,
    gapFiller,
    placer,
    policyServers,
    verifier,
    signEvent,
    clock,
    logger,
    serverName,
  })
  const backfill = new Backfill({ store, gapFiller, placer, remote, verifier, clock, logger })
  const profileOf = (userId: UserId) => shownProfile(ports, userId)
  const isGuest = async (userId: UserId) => (await storage.read([accounts], (tx) => tx.get(accounts, userId)))?.guest ?? false
  const joins = new JoinsUnderWay()
  const membership = new RoomMembership({
    joins,
    storage,
    queue,
    remote,
    deliver: ports.deliver,
    gapFiller,
    verifier,
    signEvent,
    clock,
    random,
    store,
    stream,
    sender,
    serverName,
    profileOf,
    isGuest,
    blocksInvites: async (userId) => {
      const key = [userId, '', invitePermissionType] as const
      return blocksInvites((await storage.read([accountData], (tx) => tx.get(accountData, key)))?.content)
    },
  })
  const guestAccess = new GuestAccess({ store, membership, logger, serverName, isGuest })
  const directory = lazily(async () => {
    const { Directory } = await import('../rooms/directory.ts')
    return new Directory({ storage, store, members: memberLists, sender, remote, serverName })
  })
  return { guestAccess, directory, sticky, store, queue, sender, receiver, backfill, joins, membership, memberLists, currentMembers }
}

export type Rooms = ReturnType<typeof composeRooms>

/** What a membership event shows of a local user. */
export async function shownProfile({ storage }: Pick<HomeserverPorts, 'storage'>, userId: UserId): Promise<JsonObject> {
  const profile = await storage.read([accounts, profiles], (tx) => tx.get(profiles, userId))
  const { displayname, avatar_url: avatarUrl } = profile ?? {}
  return {
    ...(typeof displayname === 'string' ? { displayname } : {}),
    ...(typeof avatarUrl === 'string' ? { avatar_url: avatarUrl } : {}),
  }
}
