import { put, type Write } from '../ports/storage.ts'
import { badState, forbidden, guestAccessForbidden, inviteBlocked, MatrixError, notFound } from '../spec/errors.ts'
import { type RoomEvent, type RoomId, type ServerName, stateKeyOf, type UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import { supportedRoomVersions } from '../spec/room-version.ts'
import { memberships, type StoredMembership } from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import { admitsGuests } from './guest-access.ts'
import { receivePdus } from './incoming.ts'
import type { JoinsUnderWay } from './join-progress.ts'
import { buildLocalEvent, type LocalEvent } from './local-event.ts'
import { desertedRoom, joinAuthoriser, localMembers, strippedStateOf } from './membership-rules.ts'
import type { MembershipTemplate } from './remote.ts'
import type { RemoteMembershipDeps } from './remote-join.ts'
import type { Room } from './room-store.ts'
import type { RoomSender } from './send.ts'
import { throughAny } from './through-any.ts'

interface MembershipDeps extends RemoteMembershipDeps {
  readonly stream: Stream
  readonly sender: RoomSender
  readonly joins: JoinsUnderWay
  readonly serverName: ServerName
  /** What a membership event shows of its user: `displayname` and `avatar_url`. */
  readonly profileOf: (userId: UserId) => Promise<JsonObject>
  /** Has a server sent what waits for it. Resolves once it has that, or could not be given it in a few seconds. */
  readonly deliver: (server: ServerName) => Promise<void>
  readonly isGuest: (userId: UserId) => Promise<boolean>
  /** Whether a local user takes no invitations. */
  readonly blocksInvites: (userId: UserId) => Promise<boolean>
}

/** Servers in a room, as far as it is known here, that are asked to let a user of ours in. */
const mostServersAsked = 10
type Alongside = NonNullable<LocalEvent['alongside']>

interface Change {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly content?: JsonObject
  /** Written in the commit that makes the change. */
  readonly alongside?: Alongside
}

interface OwnJoin {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly content: JsonObject
  readonly alongside: Alongside | undefined
}

interface ChangeOfOther extends Omit<Change, 'userId'> {
  readonly sender: UserId
  readonly target: UserId
}

/** Loaded when it is first needed: most of what users do is done in rooms that are here. */
const remoteJoin = () => import('./remote-join.ts')

/** Joins, invitations, departures: of our users everywhere, and of others' users in rooms that we are in. */
export class RoomMembership {
  readonly #deps: MembershipDeps
  readonly #remoteJoins = new Turns()

  constructor(deps: MembershipDeps) {
    this.#deps = deps
  }

  /**
   * Joins a room: here if a user of ours is in it, else through the servers in `via`, one after the other.
   * Guests join rooms of ours alone, and only those that let them. Throws `M_FORBIDDEN`, `M_GUEST_ACCESS_FORBIDDEN`, `M_NOT_FOUND` where no server is known to ask, or the last server's error.
   */
  async join({ userId, roomId, via, content = {}, alongside }: Change & { readonly via: readonly ServerName[] }): Promise<void> {
    const room = await this.#residentRoom(roomId)
    if ((await this.#deps.isGuest(userId)) && !(room && (await admitsGuests(room, this.#deps.store)))) {
      throw guestAccessForbidden('Guests may not join this room')
    }
    const change = { userId, roomId, content: { ...(await this.#deps.profileOf(userId)), ...content }, alongside }
    if (room && (await this.#joinHere(room, change))) return
    // Another user may be joining it: then it is here once that is done.
    await this.#remoteJoins.take(roomId, async () => {
      const meanwhile = await this.#residentRoom(roomId)
      if (!(meanwhile && (await this.#joinHere(meanwhile, change)))) await this.#joinThroughOthers(via, change)
    })
  }

  /** Resolves with whether the user is in the room now: else another server may let them in. */
  async #joinHere(room: Room, { userId, roomId, content, alongside }: OwnJoin): Promise<boolean> {
    if ((await this.#membershipIn(room, userId)) === 'join') return true
    const authoriser = await joinAuthoriser(room, userId, this.#deps).catch(passOnToOthers)
    if (authoriser) await this.#send(userId, userId, { roomId, content: { ...content, ...authoriser, membership: 'join' }, alongside })
    return authoriser !== undefined
  }

  async #joinThroughOthers(via: readonly ServerName[], { userId, roomId, content }: OwnJoin): Promise<void> {
    const stored = (await this.#deps.store.memberships(userId)).get(roomId)
    const inRoom = [...(await this.#deps.store.servers(roomId))].slice(0, mostServersAsked)
    const servers = this.#servers([...via, stored?.outOfBand?.via, serverNameOf(stored?.sender ?? ''), serverNameOf(roomId), ...inRoom])
    const { joinThrough } = await remoteJoin()
    await this.#deps.joins.follow(roomId, (report) =>
      throughAny(servers, async (server) => {
        await this.#catchUp(server, roomId)
        await joinThrough(server, { userId, roomId, content }, { ...this.#deps, report })
      }),
    )
  }

  /** A server that has not heard of our leaving the room would have us join where to it we still are. */
  async #catchUp(server: ServerName, roomId: RoomId): Promise<void> {
    if (await this.#deps.store.room(roomId)) await this.#deps.deliver(server)
  }

  /** Leaves a room, or turns down an invitation to it, or takes a knock back. An invitation is gone even if its server is. */
  async leave({ userId, roomId, content = {}, alongside }: Change): Promise<void> {
    const stored = (await this.#deps.store.memberships(userId)).get(roomId)
    if (!stored) throw forbidden('You are not in this room')
    if (stored.membership === 'leave') return
    if (stored.membership === 'ban') throw forbidden('You are banned from this room')
    const room = (await this.#residentRoom(roomId)) ?? (await desertedRoom(roomId, this.#deps.store))
    if (room) {
      await this.#send(userId, userId, { roomId, content: { ...content, membership: 'leave' }, alongside })
      return
    }
    const servers = this.#servers([stored.outOfBand?.via, serverNameOf(stored.sender), serverNameOf(roomId)])
    const left = await this.#leaveThrough(servers, { userId, roomId, content }).catch(() => ({ eventId: stored.eventId }))
    await this.#remember(userId, roomId, { membership: 'leave', position: 0, sender: userId, ...left })
  }

  /** Invites a user of any server. Throws `M_FORBIDDEN`, `M_INVITE_BLOCKED`, or the other server's error if it declines. */
  async invite({ sender, target, roomId, content = {}, alongside }: ChangeOfOther): Promise<void> {
    if (await this.#deps.blocksInvites(target)) throw inviteBlocked()
    const profile = serverNameOf(target) === this.#deps.serverName ? await this.#deps.profileOf(target) : {}
    const member = { roomId, content: { ...profile, ...content, membership: 'invite' }, alongside }
    const server = serverNameOf(target)
    if (server === undefined || server === this.#deps.serverName) await this.#send(sender, target, member)
    else await this.#inviteThrough(server, memberEvent(sender, target, member))
  }

  /** Throws `M_FORBIDDEN` where the target is not in the room or the sender lacks the power. */
  async kick(change: ChangeOfOther): Promise<void> {
    const membership = await this.#membershipOf(change)
    if (membership === 'leave' || membership === 'ban' || membership === undefined) throw forbidden('This user is not in the room')
    await this.#put(change, 'leave')
  }

  async ban(change: ChangeOfOther): Promise<void> {
    await this.#put(change, 'ban')
  }

  /** Throws `M_BAD_STATE` where the target is not banned. */
  async unban(change: ChangeOfOther): Promise<void> {
    if ((await this.#membershipOf(change)) !== 'ban') throw badState('This user is not banned')
    await this.#put(change, 'leave')
  }

  /** Knocks on a room, here or through the servers in `via`. */
  async knock({ userId, roomId, via, content = {}, alongside }: Change & { readonly via: readonly ServerName[] }): Promise<void> {
    const profile = { ...(await this.#deps.profileOf(userId)), ...content }
    if (await this.#residentRoom(roomId)) {
      await this.#send(userId, userId, { roomId, content: { ...profile, membership: 'knock' }, alongside })
      return
    }
    await throughAny(this.#servers([...via, serverNameOf(roomId)]), async (server) => {
      const { remote } = this.#deps
      const { membershipFromTemplate } = await remoteJoin()
      await this.#catchUp(server, roomId)
      const template = await remote.makeMembership(server, 'knock', { roomId, userId, versions: supportedRoomVersions() })
      const { event, rules } = await membershipFromTemplate({ userId, roomId, content: profile, membership: 'knock' }, template, this.#deps)
      const { strippedState } = await remote.sendKnock(server, { roomId, eventId: event.eventId, pdu: event.pdu })
      const outOfBand = { version: rules.version, pdu: event.pdu, strippedState, via: server }
      const knock = { membership: 'knock' as const, eventId: event.eventId, position: 0, sender: userId, outOfBand }
      await this.#remember(userId, roomId, knock, alongside?.(event.eventId))
    })
  }

  /** Takes a room that was left out of the user's sight. Throws `M_UNKNOWN` for one that was not left. */
  async forget(userId: UserId, roomId: RoomId): Promise<void> {
    const stored = (await this.#deps.store.memberships(userId)).get(roomId)
    if (!stored) throw notFound('You have not been in this room')
    if (stored.membership !== 'leave' && stored.membership !== 'ban')
      throw new MatrixError(400, 'M_UNKNOWN', { message: 'You have not left this room' })
    await this.#remember(userId, roomId, { ...stored, forgotten: true })
  }

  /** The event another server's user may sign to join, leave or knock (`make_join`, `make_leave`, `make_knock`). */
  async template(
    kind: 'join' | 'leave' | 'knock',
    { roomId, userId, versions }: { readonly roomId: RoomId; readonly userId: UserId; readonly versions: readonly string[] },
  ): Promise<MembershipTemplate> {
    const room = (await this.#residentRoom(roomId)) ?? (kind === 'leave' ? await desertedRoom(roomId, this.#deps.store) : undefined)
    if (!room) throw notFound('This room is not known here')
    const { version } = room.rules
    if (!versions.includes(version))
      throw new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', {
        message: `The room has version ${version}`,
        fields: { room_version: version },
      })
    const authoriser = kind === 'join' ? await joinAuthoriser(room, userId, this.#deps) : {}
    const request = memberEvent(userId, userId, { roomId, content: { ...authoriser, membership: kind } })
    return this.#deps.queue.enqueue(roomId, async (draft) => {
      const event = await buildLocalEvent(draft, request, { ...this.#deps, signEvent: (pdu) => Promise.resolve(pdu) })
      const verdict = await draft.judge(event, draft.state)
      if (!verdict.allowed) throw forbidden(verdict.reason)
      const { hashes: _, signatures: __, ...unsigned } = event.pdu
      return { version, event: unsigned }
    })
  }

  /** Sends the member events of a user anew, in every room they are in: their profile has changed. */
  async updateProfile(userId: UserId): Promise<void> {
    const profile = await this.#deps.profileOf(userId)
    for (const roomId of await this.#deps.store.joinedRooms(userId)) {
      await this.#send(userId, userId, { roomId, content: { ...profile, membership: 'join' } }).catch(() => undefined)
    }
  }

  async #put({ sender, target, roomId, content = {}, alongside }: ChangeOfOther, membership: 'leave' | 'ban'): Promise<void> {
    await this.#send(sender, target, { roomId, content: { ...content, membership }, alongside })
  }

  async #send(sender: UserId, target: UserId, member: NewMember): Promise<void> {
    await this.#deps.sender.send(memberEvent(sender, target, member))
  }

  // The invited server must sign before the event is anyone's: the room's queue is left for that, and entered again.
  async #inviteThrough(server: ServerName, request: LocalEvent): Promise<void> {
    const { queue, store, remote, verifier, sender } = this.#deps
    const room = await this.#residentRoom(request.roomId)
    if (!room) throw forbidden('You are not in this room')
    const event = await sender.build(request)
    const strippedState = (await strippedStateOf(room, { store, members: [request.sender] })).map(({ pdu }) => pdu)
    const { roomId, eventId, pdu } = event
    const countersigned = await remote.sendInvite(server, { roomId, eventId, pdu, version: room.rules.version, strippedState })
    const [received] = await receivePdus([countersigned], room, verifier)
    const isSame = received?.event?.eventId === eventId && !('error' in received)
    await queue.enqueue(roomId, async (draft) => {
      const placed = await draft.place(isSame && received.event ? received.event : event, { live: true })
      if (placed.status !== 'accepted') throw forbidden(placed.reason ?? 'The room does not allow it')
      draft.write(...(request.alongside?.(eventId) ?? []))
    })
  }

  async #leaveThrough(
    servers: readonly ServerName[],
    change: Change & { readonly content: JsonObject },
  ): Promise<Pick<StoredMembership, 'eventId' | 'outOfBand'>> {
    const { roomId, userId, content } = change
    return throughAny(servers, async (server) => {
      const { membershipFromTemplate } = await remoteJoin()
      const template = await this.#deps.remote.makeMembership(server, 'leave', { roomId, userId, versions: supportedRoomVersions() })
      const { event, rules } = await membershipFromTemplate({ userId, roomId, content, membership: 'leave' }, template, this.#deps)
      await this.#deps.remote.sendLeave(server, { roomId, eventId: event.eventId, pdu: event.pdu })
      return { eventId: event.eventId, outOfBand: { version: rules.version, pdu: event.pdu, strippedState: [], via: server } }
    })
  }

  #servers(candidates: readonly (ServerName | undefined)[]): ServerName[] {
    return [...new Set(candidates.filter((server) => server !== undefined && server !== this.#deps.serverName))].filter(
      (s) => s !== undefined,
    )
  }

  /** The room, if a user of ours is in it: only then is what we know of it current. */
  async #residentRoom(roomId: RoomId): Promise<Room | undefined> {
    const room = await this.#deps.store.room(roomId)
    return room && (room.state.size <= 1 || (await localMembers(room, this.#deps)).length > 0) ? room : undefined
  }

  async #membershipOf({ roomId, target }: ChangeOfOther): Promise<string | undefined> {
    const room = await this.#residentRoom(roomId)
    return room && this.#membershipIn(room, target)
  }

  async #membershipIn(room: Room, userId: UserId): Promise<string | undefined> {
    const eventId = room.state.get(stateKeyOf('m.room.member', userId))
    const event: RoomEvent | undefined = eventId === undefined ? undefined : (await this.#deps.store.event(eventId))?.event
    const membership = event?.content.membership
    return typeof membership === 'string' ? membership : undefined
  }

  async #remember(userId: UserId, roomId: RoomId, membership: StoredMembership, alongside: readonly Write[] = []): Promise<void> {
    const { stream, store } = this.#deps
    let stored = membership
    await stream.commit(
      1,
      (position) => {
        stored = { ...membership, position }
        return [put(memberships, [userId, roomId], stored), ...alongside]
      },
      { published: () => store.publish({ memberships: [[userId, roomId, stored]] }) },
    )
  }
}

/** Where we cannot let a user of ours into a restricted room, another server may. */
function passOnToOthers(failure: unknown): undefined {
  const isOurs = failure instanceof MatrixError && ['M_UNABLE_TO_AUTHORISE_JOIN', 'M_UNABLE_TO_GRANT_JOIN'].includes(failure.errcode)
  if (!isOurs) throw failure
}

interface NewMember {
  readonly roomId: RoomId
  readonly content: JsonObject
  readonly alongside?: Alongside | undefined
}

function memberEvent(sender: UserId, target: UserId, { roomId, content, alongside = () => [] }: NewMember): LocalEvent {
  return { roomId, sender, type: 'm.room.member', stateKey: target, content, alongside }
}
