import { describe, expect, test } from 'vitest'
import { RoomCommitter } from '../../src/rooms/commit.ts'
import { foundRoom } from '../../src/rooms/found.ts'
import { GapFiller } from '../../src/rooms/gap-filler.ts'
import { receivePdus, valid } from '../../src/rooms/incoming.ts'
import type { ReportJoin } from '../../src/rooms/join-progress.ts'
import { EventPlacer } from '../../src/rooms/place.ts'
import { PolicyServers } from '../../src/rooms/policy-servers.ts'
import { RoomReceiver } from '../../src/rooms/receive.ts'
import type { EventVerifier, RemoteServers } from '../../src/rooms/remote.ts'
import { joinThrough } from '../../src/rooms/remote-join.ts'
import type { RoomDraft } from '../../src/rooms/room-draft.ts'
import { RoomQueue } from '../../src/rooms/room-queue.ts'
import { RoomStore } from '../../src/rooms/room-store.ts'
import { RoomSender } from '../../src/rooms/send.ts'
import { authChain } from '../../src/spec/auth-chain.ts'
import { encodeBase64 } from '../../src/spec/base64.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { referenceHash } from '../../src/spec/event-hash.ts'
import type { JsonValue } from '../../src/spec/json.ts'
import { rulesOf, supportedRoomVersions } from '../../src/spec/room-version.ts'
import { eventSigningBytes, withSignature } from '../../src/spec/signing.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { Stream } from '../../src/streams/stream.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

const logger = { log: () => undefined }

async function roomsOf(serverName: string, remote: Partial<RemoteServers> = {}) {
  const storage = new MemoryStorage()
  const stream = await Stream.open(storage)
  const store = new RoomStore(storage)
  let now = 1_000_000
  const clock = { now: () => now++, sleep: () => Promise.resolve() }
  const signer = nodeSigner(serverName)
  const random = new SeededRandom(serverName.length + serverName.charCodeAt(0))
  const signEvent = async (pdu: Pdu, rules: Parameters<typeof eventSigningBytes>[1]) =>
    withSignature(pdu, serverName, { keyId: signer.keyId, signature: await signer.sign(eventSigningBytes(pdu, rules)) })
  const verifier: EventVerifier = { verify: async (events) => events.map(() => undefined) }
  const committer = new RoomCommitter({ stream, store, clock, serverName })
  const queue = new RoomQueue(store, committer)
  const unreachable = new Proxy({}, { get: () => () => Promise.reject(new Error('unreachable')) })
  const servers = { ...remote } as RemoteServers
  const remoteServers: RemoteServers = new Proxy(servers, {
    get: (target, name, self) => Reflect.get(target, name, self) ?? Reflect.get(unreachable, name),
  })
  const policyServers = new PolicyServers({ store, members: store, remote: remoteServers, signatures: nodeVerifier(), logger, serverName })
  const sender = new RoomSender({ queue, store, clock, random, signEvent, policyServers })
  const gapFiller = new GapFiller({ store, members: store, remote: remoteServers, verifier, clock, logger, serverName })
  const receiver = new RoomReceiver({
    storage,
    stream,
    store,
    gapFiller,
    placer: new EventPlacer({ queue, gapFiller }),
    policyServers,
    verifier,
    signEvent,
    clock,
    logger,
    serverName,
  })
  const joinDeps = { storage, queue, store, gapFiller, remote: remoteServers, verifier, signEvent, clock, random, serverName }
  return { storage, stream, store, queue, sender, receiver, clock, signEvent, serverName, random, joinDeps, verifier }
}

type Rooms = Awaited<ReturnType<typeof roomsOf>>

async function publicRoom(rooms: Rooms, version: string) {
  const rules = rulesOf(version)
  if (!rules) throw new Error('not served')
  const creator = `@alice:${rooms.serverName}`
  const levels = { users: rules.auth.privilegedCreators ? {} : { [creator]: 100 } }
  const state = (type: string, stateKey: string, content: Pdu) => ({ sender: creator, type, stateKey, content })
  const furnish = async (draft: RoomDraft) => {
    const { roomId } = draft
    await rooms.sender.sendIn(draft, { roomId, ...state('m.room.member', creator, { membership: 'join' }) })
    await rooms.sender.sendIn(draft, { roomId, ...state('m.room.power_levels', '', levels) })
    await rooms.sender.sendIn(draft, { roomId, ...state('m.room.join_rules', '', { join_rule: 'public' }) })
  }
  const roomId = await foundRoom({ rules, creator, createContent: {}, furnish }, rooms)
  return { roomId, creator }
}

/** What a resident server answers, straight from its store. */
function residentApi(resident: Rooms): Partial<RemoteServers> {
  const pdusOf = async (ids: Iterable<string>) => [...(await resident.store.events(ids)).values()].map(({ event }) => event.pdu)
  return {
    makeMembership: async (_to, kind, { roomId, userId }) => {
      const room = await resident.store.room(roomId)
      if (!room) throw new Error('no room')
      const { authEventKeys } = await import('../../src/spec/auth-events.ts')
      const content = { membership: kind }
      const keys = authEventKeys(room.rules, { type: 'm.room.member', stateKey: userId, sender: userId, content })
      const heads = [...(await resident.store.events(room.forwardExtremities)).values()]
      const references = async (ids: readonly string[]): Promise<JsonValue[]> => {
        if (room.rules.eventId !== 'chosen') return [...ids]
        const cited = await resident.store.events(ids)
        return ids.map((id) => [id, { sha256: encodeBase64(referenceHash(cited.get(id)?.event.pdu ?? {}, room.rules)) }])
      }
      return {
        version: room.rules.version,
        event: {
          content,
          auth_events: await references(keys.flatMap((key) => room.state.get(key) ?? [])),
          prev_events: await references(room.forwardExtremities),
          depth: 1 + Math.max(...heads.map(({ event }) => event.depth)),
        },
      }
    },
    sendJoin: async (_to, { roomId, eventId, pdu }) => {
      const origin = String(pdu.sender).split(':')[1] ?? ''
      const record = await resident.receiver.receiveMembership({ origin, roomId, eventId, pdu, membership: 'join' })
      const before = await resident.store.stateBefore(record)
      const chain = authChain([...(await resident.store.events(before.values())).values()].map(({ event }) => event))
      let step = chain.next()
      while (!step.done) step = chain.next(new Map([...(await resident.store.events(step.value))].map(([id, { event }]) => [id, event])))
      return { state: await pdusOf(before.values()), authChain: [...step.value.values()].map(({ pdu }) => pdu) }
    },
    event: async (_from, eventId) => (await pdusOf([eventId]))[0],
    missingEvents: async (_from, { roomId, earliest }) => {
      const all = await resident.store.timeline(roomId, { direction: 'forwards', limit: 1000 })
      const at = all.findLastIndex(({ event }) => earliest.includes(event.eventId))
      return all.slice(at + 1).map(({ event }) => event.pdu)
    },
  }
}

describe.each(supportedRoomVersions())('a room of version %s', (version) => {
  test('holds its creator, and what they said, in order', async () => {
    const rooms = await roomsOf('a.example')
    const { roomId, creator } = await publicRoom(rooms, version)
    const sent = []
    for (let i = 0; i < 5; i++)
      sent.push(await rooms.sender.send({ roomId, sender: creator, type: 'm.room.message', content: { body: `${i}` } }))
    expect(await rooms.store.joinedUsers(roomId)).toEqual([creator])
    const timeline = await rooms.store.timeline(roomId, { direction: 'backwards', limit: 5 })
    expect(timeline.map(({ event }) => event.eventId)).toEqual(sent.reverse())
    expect(await rooms.store.joinedRooms(creator)).toEqual([roomId])
  })

  test('refuses what its rules forbid, and stores nothing of it', async () => {
    const rooms = await roomsOf('a.example')
    const { roomId } = await publicRoom(rooms, version)
    const before = rooms.stream.current
    const stranger = { roomId, sender: '@mallory:a.example', type: 'm.room.message', content: { body: 'hi' } }
    await expect(rooms.sender.send(stranger)).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
    expect(rooms.stream.current).toBe(before)
  })

  test('takes a repeated transaction for one event', async () => {
    const rooms = await roomsOf('a.example')
    const { roomId, creator } = await publicRoom(rooms, version)
    const message = { roomId, sender: creator, type: 'm.room.message', content: {}, transaction: { deviceId: 'D', id: '1' } }
    const [first, second] = await Promise.all([rooms.sender.send(message), rooms.sender.send(message)])
    expect(second).toBe(first)
    expect(await rooms.sender.send(message)).toBe(first)
  })

  test('is joined through another server, and forks on both sides end in one state', async () => {
    const a = await roomsOf('a.example')
    const { roomId, creator } = await publicRoom(a, version)
    const b = await roomsOf('b.example', residentApi(a))
    const bob = '@bob:b.example'
    const stages: string[] = []
    const report: ReportJoin = ({ stage, done, total }) => void (done <= total && stages.push(stage))
    await joinThrough('a.example', { userId: bob, roomId, content: {} }, { ...b.joinDeps, report })
    expect([...new Set(stages)]).toEqual(['checking', 'storing'])
    expect((await b.store.joinedUsers(roomId)).sort()).toEqual([creator, bob])
    expect((await a.store.room(roomId))?.state.root).toBe((await b.store.room(roomId))?.state.root)

    await a.sender.send({ roomId, sender: creator, type: 'm.room.name', stateKey: '', content: { name: 'A' } })
    await a.sender.send({ roomId, sender: creator, type: 'm.room.member', stateKey: bob, content: { membership: 'ban' } })
    await b.sender.send({ roomId, sender: bob, type: 'm.room.message', content: { body: 'still here' } })
    const fromA = (await a.store.log(0, a.stream.current, 100)).map(({ event }) => event.pdu)
    const fromB = (await b.store.log(0, b.stream.current, 100)).filter(({ event }) => event.sender === bob).map(({ event }) => event.pdu)
    await b.receiver.receive('a.example', fromA.slice(-1))
    await a.receiver.receive('b.example', fromB.slice(-1))
    await Promise.all([a.receiver.idle(), b.receiver.idle()])

    expect((await a.store.room(roomId))?.state.root).toBe((await b.store.room(roomId))?.state.root)
    expect(await a.store.joinedUsers(roomId)).toEqual([creator])
    const last = await a.store.event(
      valid(await receivePdus(fromB.slice(-1), { roomId, rules: a.store && (await roomRules(a, roomId)) }, a.verifier))[0]?.eventId ?? '',
    )
    expect(last?.stored.status).toBe('soft-failed')
    expect((await b.store.memberships(bob)).get(roomId)?.membership).toBe('ban')
  })

  test('applies a redaction, whether it comes after its target or before', async () => {
    const a = await roomsOf('a.example')
    const { roomId, creator } = await publicRoom(a, version)
    const b = await roomsOf('b.example', residentApi(a))
    await joinThrough('a.example', { userId: '@bob:b.example', roomId, content: {} }, { ...b.joinDeps, report: () => undefined })
    const target = await a.sender.send({ roomId, sender: creator, type: 'm.room.message', content: { body: 'oops' } })
    const redaction = await a.sender.send({ roomId, sender: creator, type: 'm.room.redaction', content: {}, redacts: target })
    expect((await a.store.event(target))?.stored.redactedBy).toBe(redaction)
    const pdu = (await a.store.event(redaction))?.event.pdu
    await b.receiver.receive('a.example', pdu ? [pdu] : [])
    await b.receiver.idle()
    expect((await b.store.event(target))?.stored.redactedBy).toBe(redaction)
  })
})

async function roomRules(rooms: Rooms, roomId: string) {
  const room = await rooms.store.room(roomId)
  if (!room) throw new Error('no room')
  return room.rules
}
