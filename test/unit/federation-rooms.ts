import { OutgoingEvents } from '../../src/federation/outgoing-events.ts'
import { OutgoingLog } from '../../src/federation/outgoing-log.ts'
import { RemoteRooms } from '../../src/federation/remote-rooms.ts'
import { RoomServers } from '../../src/federation/room-servers.ts'
import { FederationSender } from '../../src/federation/sender.ts'
import { Slots } from '../../src/federation/slots.ts'
import type { Signer } from '../../src/ports/signer.ts'
import type { Storage } from '../../src/ports/storage.ts'
import { RoomCommitter } from '../../src/rooms/commit.ts'
import { foundRoom } from '../../src/rooms/found.ts'
import { GapFiller } from '../../src/rooms/gap-filler.ts'
import { JoinsUnderWay } from '../../src/rooms/join-progress.ts'
import { RoomMembership } from '../../src/rooms/membership.ts'
import { EventPlacer } from '../../src/rooms/place.ts'
import { PolicyServers } from '../../src/rooms/policy-servers.ts'
import { RoomReceiver } from '../../src/rooms/receive.ts'
import { membershipFromTemplate } from '../../src/rooms/remote-join.ts'
import type { RoomDraft } from '../../src/rooms/room-draft.ts'
import { RoomQueue } from '../../src/rooms/room-queue.ts'
import { RoomStore } from '../../src/rooms/room-store.ts'
import { RoomSender } from '../../src/rooms/send.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { defaultRoomVersion, rulesOf } from '../../src/spec/room-version.ts'
import { Stream } from '../../src/streams/stream.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { party, type World } from './federation-party.ts'

/** A homeserver with rooms that sends to others; `storage` survives it. */
export async function homeserver(at: World, name: string, storage?: Storage) {
  const base = party(at, nodeSigner(name), storage ? { storage } : {})
  const { client, clock, logger, signEvent, eventVerifier: verifier, transport, random } = base
  const serverName = name
  const stream = await Stream.open(base.storage)
  const store = new RoomStore(base.storage)
  const queue = new RoomQueue(store, new RoomCommitter({ stream, store, clock, serverName }))
  const remote = new RemoteRooms(client)
  const policyServers = new PolicyServers({ store, members: store, remote, signatures: nodeVerifier(), logger, serverName })
  const roomSender = new RoomSender({ queue, store, clock, random, signEvent, policyServers })
  const gapFiller = new GapFiller({ store, members: store, remote, verifier, clock, logger, serverName })
  const placer = new EventPlacer({ queue, gapFiller })
  const receiver = new RoomReceiver({
    storage: base.storage,
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
  const profileOf = async () => ({})
  const membership = new RoomMembership({
    joins: new JoinsUnderWay(),
    storage: base.storage,
    gapFiller,
    deliver: async () => undefined,
    queue,
    remote,
    verifier,
    signEvent,
    clock,
    random,
    store,
    stream,
    sender: roomSender,
    serverName,
    profileOf,
    isGuest: async () => false,
    blocksInvites: async (userId) => userId.startsWith('@hermit'),
  })
  const roomServers = new RoomServers(store)
  const log = new OutgoingLog({
    storage: base.storage,
    stream,
    store,
    logger,
    events: new OutgoingEvents({ store, roomServers, serverName }),
  })
  const shared = {
    storage: base.storage,
    stream,
    log,
    client,
    clock,
    random,
    logger,
    serverName,
    incarnation: 1,
    slots: new Slots(10),
    transport,
  }
  const sender = new FederationSender(shared)
  return { ...base, serverName, stream, store, queue, roomSender, remote, receiver, membership, roomServers, sender }
}

export type TestHomeserver = Awaited<ReturnType<typeof homeserver>>

/** A public room of `@user:` here. */
export async function publicRoom(at: TestHomeserver): Promise<{ roomId: string; creator: string }> {
  const rules = rulesOf(defaultRoomVersion)
  if (!rules) throw new Error('the default version is not served')
  const creator = `@user:${at.serverName}`
  const state = (type: string, stateKey: string, content: JsonObject) => ({ sender: creator, type, stateKey, content })
  const furnish = async (draft: RoomDraft) => {
    const { roomId } = draft
    await at.roomSender.sendIn(draft, { roomId, ...state('m.room.member', creator, { membership: 'join' }) })
    await at.roomSender.sendIn(draft, { roomId, ...state('m.room.power_levels', '', {}) })
    await at.roomSender.sendIn(draft, { roomId, ...state('m.room.join_rules', '', { join_rule: 'public' }) })
  }
  const roomId = await foundRoom({ rules, creator, createContent: {}, furnish }, at)
  return { roomId, creator }
}

/** A user of another server joins through us, as `make_join` and `send_join` would have it. Answers the event's id. */
export async function joinFrom(at: TestHomeserver, signer: Signer, roomId: string): Promise<string> {
  const userId = `@user:${signer.serverName}`
  const template = await at.membership.template('join', { roomId, userId, versions: [defaultRoomVersion] })
  const foreign = party({ clock: at.clock, network: at.network }, signer)
  at.network.detach(signer.serverName)
  await at.keyRing.learn(signer.serverName, await foreign.ownKeys.document())
  const { event } = await membershipFromTemplate({ userId, roomId, content: {}, membership: 'join' }, template, {
    ...at,
    signEvent: foreign.signEvent,
  })
  await at.receiver.receiveMembership({ origin: signer.serverName, roomId, eventId: event.eventId, pdu: event.pdu, membership: 'join' })
  return event.eventId
}

/** A transaction as another server got it. */
export interface Delivered {
  readonly id: string
  readonly pdus: JsonObject[]
  readonly edus: JsonObject[]
  readonly at: number
}

/** A server that takes transactions, as `behave` has it: what it throws is a lost connection. */
export function mailbox(at: World, server: string, behave: (delivered: Delivered) => Promise<number> | number = () => 200) {
  const delivered: Delivered[] = []
  const attach = () =>
    at.network.attach(server, async (request) => {
      const id = new URL(request.url).pathname.split('/').at(-1) ?? ''
      const body: unknown = await request.json()
      const lists = isObject(body) ? { pdus: body.pdus, edus: body.edus } : {}
      const objects = (list: unknown) => (Array.isArray(list) ? list.filter(isObject) : [])
      const transaction = { id, pdus: objects(lists.pdus), edus: objects(lists.edus), at: at.clock.now() }
      const status = await behave(transaction)
      if (status === 200) delivered.push(transaction)
      return Response.json(status === 200 ? { pdus: {} } : { errcode: 'M_UNKNOWN', error: 'no' }, { status })
    })
  attach()
  /** The bodies of messages, in the order they came, repeats included. */
  const messages = () =>
    delivered.flatMap(({ pdus }) =>
      pdus.flatMap(({ content }) => (isObject(content) && typeof content.body === 'string' ? [content.body] : [])),
    )
  return { delivered, messages, attach }
}
