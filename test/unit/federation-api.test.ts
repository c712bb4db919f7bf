import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RemoteDirectory } from '../../src/federation/remote-directory.ts'
import { RemoteRooms } from '../../src/federation/remote-rooms.ts'
import { RemoteUsers } from '../../src/federation/remote-users.ts'
import { membershipFromTemplate } from '../../src/rooms/remote-join.ts'
import { MatrixError } from '../../src/spec/errors.ts'
import { eventIdOf } from '../../src/spec/event-hash.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { rulesOf } from '../../src/spec/room-version.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedClient } from '../simulation/simulated-client.ts'
import { SimulatedServer } from '../simulation/simulated-server.ts'
import { type Party, party, type World, within, world } from './federation-party.ts'

const home = 'home.example'

/** A whole homeserver with a user and a public room, whose API other servers speak to. */
async function homeserver() {
  const at = world()
  const server = new SimulatedServer(home, at.clock, {
    network: at.network,
    verifier: nodeVerifier(),
    random: new SeededRandom(5),
    log: () => undefined,
  })
  await server.start()
  const alice = new SimulatedClient(server, 'alice', { clock: at.clock, random: new SeededRandom(6) })
  await within(at, 10_000, alice.register())
  return { ...at, server, alice }
}

async function createRoom(at: World, alice: SimulatedClient, options: JsonObject = {}): Promise<string> {
  const { body } = await within(at, 10_000, alice.must('POST', '/v3/createRoom', { preset: 'public_chat', ...options }))
  return String(body.room_id)
}

async function setState(at: World, alice: SimulatedClient, state: { roomId: string; type: string; content: JsonObject }): Promise<void> {
  await within(at, 10_000, alice.must('PUT', `/v3/rooms/${encodeURIComponent(state.roomId)}/state/${state.type}/`, state.content))
}

async function say(at: World, alice: SimulatedClient, roomId: string, text: string): Promise<string> {
  await within(at, 10_000, alice.say(roomId, text))
  return alice.said.at(-1)?.eventId ?? ''
}

/** Another server, as far as its requests go. */
function foreign(at: World, name: string) {
  const itself = party(at, nodeSigner(name))
  const { client } = itself
  const rooms = new RemoteRooms(client)
  const ask = (method: 'GET' | 'PUT' | 'POST', path: string[], more: { query?: [string, string][]; body?: JsonObject } = {}) =>
    within(at, 120_000, client.json(home, { method, path: ['federation', ...path], repeatable: false, ...more }))
  const refused = async (...request: Parameters<typeof ask>): Promise<{ status: number; errcode: string }> => {
    try {
      return { status: 200, errcode: JSON.stringify(await ask(...request)) }
    } catch (failure) {
      if (!(failure instanceof MatrixError)) throw failure
      return { status: failure.status, errcode: failure.errcode }
    }
  }
  return { ...itself, rooms, users: new RemoteUsers(client), directory: new RemoteDirectory(client), ask, refused, userId: `@bob:${name}` }
}

type Foreign = ReturnType<typeof foreign>

async function membershipEvent(at: Foreign, roomId: string, membership: 'join' | 'leave' | 'knock', userId = at.userId) {
  const template = await within(at, 10_000, at.rooms.makeMembership(home, membership, { roomId, userId, versions: ['10', '11', '12'] }))
  return membershipFromTemplate({ userId, roomId, content: {}, membership }, template, at)
}

async function join(at: Foreign, roomId: string) {
  const { event } = await membershipEvent(at, roomId, 'join')
  return within(at, 10_000, at.rooms.sendJoin(home, { roomId, eventId: event.eventId, pdu: event.pdu }))
}

const roomEndpoints: readonly [string, (room: string, event: string) => Parameters<Foreign['ask']>][] = [
  ['state', (room, event) => ['GET', ['v1', 'state', room], { query: [['event_id', event]] }]],
  ['state_ids', (room, event) => ['GET', ['v1', 'state_ids', room], { query: [['event_id', event]] }]],
  ['event_auth', (room, event) => ['GET', ['v1', 'event_auth', room, event]]],
  [
    'backfill',
    (room, event) => [
      'GET',
      ['v1', 'backfill', room],
      {
        query: [
          ['v', event],
          ['limit', '10'],
        ],
      },
    ],
  ],
  [
    'get_missing_events',
    (room, event) => ['POST', ['v1', 'get_missing_events', room], { body: { earliest_events: [], latest_events: [event] } }],
  ],
  [
    'timestamp_to_event',
    (room) => [
      'GET',
      ['v1', 'timestamp_to_event', room],
      {
        query: [
          ['ts', '1'],
          ['dir', 'f'],
        ],
      },
    ],
  ],
]

describe('what happens in a room', () => {
  test('is told to servers in it, and to no other', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const [member, stranger] = [foreign(at, 'member.example'), foreign(at, 'stranger.example')]
    await join(member, roomId)
    const eventId = await say(at, at.alice, roomId, 'between us')
    for (const [name, request] of roomEndpoints) {
      expect([name, await stranger.refused(...request(roomId, eventId))]).toEqual([name, { status: 403, errcode: 'M_FORBIDDEN' }])
      expect([name, await stranger.refused(...request('!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', eventId))]).toEqual([
        name,
        { status: 404, errcode: 'M_NOT_FOUND' },
      ])
      expect([name, (await stranger.refused(...request('not a room', eventId))).status]).toEqual([name, 400])
      await member.ask(...request(roomId, eventId))
    }
    expect(await stranger.refused('GET', ['v1', 'event', eventId])).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await member.ask('GET', ['v1', 'event', eventId])).toMatchObject({ pdus: [{ content: { body: 'between us' } }] })
  })

  test('is told to them even when we have left: what came right before that, nobody else may have', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const [member, stranger] = [foreign(at, 'member.example'), foreign(at, 'stranger.example')]
    await join(member, roomId)
    const eventId = await say(at, at.alice, roomId, 'goodbye')
    await within(at, 10_000, at.alice.must('POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`, {}))
    for (const [name, request] of roomEndpoints) {
      expect([name, await stranger.refused(...request(roomId, eventId))]).toEqual([name, { status: 403, errcode: 'M_FORBIDDEN' }])
      await member.ask(...request(roomId, eventId))
    }
    expect(await member.ask('GET', ['v1', 'event', eventId])).toMatchObject({ pdus: [{ content: { body: 'goodbye' } }] })
    await expect(membershipEvent(stranger, roomId, 'join')).rejects.toMatchObject({ status: 404 })
  })

  test('is not told to a server that its ACL bans, even if it is in the room', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const member = foreign(at, 'member.example')
    await join(member, roomId)
    const leave = await membershipEvent(member, roomId, 'leave')
    await setState(at, at.alice, { roomId, type: 'm.room.server_acl', content: { allow: ['*'], deny: ['member.example'] } })
    const eventId = await say(at, at.alice, roomId, 'between us')
    const body = { ...leave.event.pdu }
    const named = [member.userId, leave.event.eventId] as const
    const denied: Parameters<Foreign['ask']>[] = [
      ...roomEndpoints.map(([, request]) => request(roomId, eventId)),
      ['GET', ['v1', 'make_join', roomId, named[0]], { query: [['ver', '12']] }],
      ['GET', ['v1', 'make_leave', roomId, named[0]]],
      ['GET', ['v1', 'make_knock', roomId, named[0]], { query: [['ver', '12']] }],
      ['PUT', ['v2', 'send_join', roomId, named[1]], { body }],
      ['PUT', ['v1', 'send_join', roomId, named[1]], { body }],
      ['PUT', ['v2', 'send_leave', roomId, named[1]], { body }],
      ['PUT', ['v1', 'send_leave', roomId, named[1]], { body }],
      ['PUT', ['v1', 'send_knock', roomId, named[1]], { body }],
    ]
    for (const request of denied)
      expect([request[1], await member.refused(...request)]).toEqual([request[1], { status: 403, errcode: 'M_FORBIDDEN' }])
    const typing = { edu_type: 'm.typing', content: { room_id: roomId, user_id: member.userId, typing: true } }
    const sent = { origin: 'member.example', origin_server_ts: 1, pdus: [leave.event.pdu], edus: [typing] }
    expect(await member.ask('PUT', ['v1', 'send', 't1'], { body: sent })).toMatchObject({
      pdus: { [leave.event.eventId]: { error: expect.stringMatching(/banned/) } },
    })
    const sync = await within(at, 10_000, at.alice.must('GET', '/v3/sync'))
    expect(JSON.stringify(sync.body)).not.toContain('"m.typing"')
  })

  test('before a server joined is redacted for it where the room hides it', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const member = foreign(at, 'member.example')
    const [shared, hidden] = [await say(at, at.alice, roomId, 'shared'), '']
    await setState(at, at.alice, { roomId, type: 'm.room.history_visibility', content: { history_visibility: 'joined' } })
    const secret = await say(at, at.alice, roomId, 'secret')
    await join(member, roomId)
    const open = await say(at, at.alice, roomId, 'open')
    const pdus = await within(at, 10_000, member.rooms.backfill(home, { roomId, from: [open], limit: 50 }))
    const bodies = pdus.flatMap(({ type, content }) => (type === 'm.room.message' && isObject(content) ? [content.body ?? hidden] : []))
    expect(bodies).toEqual(['open', '', 'shared'])
    const rules = rulesOf('12')
    if (!rules) throw new Error('version 12 is not served')
    expect(pdus.map((pdu) => eventIdOf(pdu, rules))).toEqual(expect.arrayContaining([shared, secret, open]))
    expect(await member.ask('GET', ['v1', 'event', secret])).toMatchObject({ pdus: [{ content: {} }] })
    const missing = await within(
      at,
      10_000,
      member.rooms.missingEvents(home, { roomId, earliest: [], latest: [open], limit: 50, minDepth: 0 }),
    )
    expect(JSON.stringify(missing)).not.toContain('secret')
  })

  test('can be filled in where a server lacks it, oldest first and up to a limit', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const member = foreign(at, 'member.example')
    await join(member, roomId)
    const sent: string[] = []
    for (let i = 0; i < 6; i++) sent.push(await say(at, at.alice, roomId, `${i}`))
    const [first = '', last = ''] = [sent[0], sent.at(-1)]
    const gap = { roomId, earliest: [first], latest: [last], minDepth: 0 }
    const bodies = (pdus: readonly JsonObject[]) => pdus.map(({ content }) => (isObject(content) ? content.body : undefined))
    expect(bodies(await within(at, 10_000, member.rooms.missingEvents(home, { ...gap, limit: 10 })))).toEqual(['1', '2', '3', '4'])
    expect(bodies(await within(at, 10_000, member.rooms.missingEvents(home, { ...gap, limit: 2 })))).toEqual(['3', '4'])
  })
})

describe('joining', () => {
  test('answers the state before the join with its whole auth chain, and the servers in the room', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const member = foreign(at, 'member.example')
    const { event } = await membershipEvent(member, roomId, 'join')
    const answer = await member.ask('PUT', ['v2', 'send_join', roomId, event.eventId], { body: event.pdu })
    const rules = rulesOf('12')
    if (!rules || !Array.isArray(answer.state) || !Array.isArray(answer.auth_chain)) throw new Error('no state')
    const ids = (list: unknown[]) => list.filter(isObject).map((pdu) => eventIdOf(pdu, rules))
    const known = new Set([...ids(answer.state), ...ids(answer.auth_chain)])
    const cited = [event.pdu, ...answer.state, ...answer.auth_chain]
      .filter(isObject)
      .flatMap(({ auth_events: auth }) => (Array.isArray(auth) ? auth : []))
    expect(cited.filter((eventId) => typeof eventId === 'string' && !known.has(eventId))).toEqual([])
    expect(JSON.stringify(answer.state)).toContain('m.room.create')
    expect(JSON.stringify(answer.state)).not.toContain(member.userId)
    expect(answer).toMatchObject({ servers_in_room: [home], members_omitted: false })
    const members = await within(at, 10_000, at.alice.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`))
    expect(Object.keys(isObject(members.body.joined) ? members.body.joined : {})).toContain(member.userId)
  })

  test('brings a short answer to who asks for that: no members but those that name the room, and nothing twice', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    for (let i = 0; i < 7; i++) await join(foreign(at, `other${i}.example`), roomId)
    const [member, late] = [foreign(at, 'member.example'), foreign(at, 'late.example')]
    const rules = rulesOf('12')
    const send = async (by: Foreign) => {
      const { event } = await membershipEvent(by, roomId, 'join')
      const query: [string, string][] = [['omit_members', 'true']]
      const answer = await by.ask('PUT', ['v2', 'send_join', roomId, event.eventId], { body: event.pdu, query })
      if (!rules || !Array.isArray(answer.state) || !Array.isArray(answer.auth_chain)) throw new Error('no state')
      const [state, chain] = [answer.state.filter(isObject), answer.auth_chain.filter(isObject)]
      const ids = (list: JsonObject[]) => list.map((pdu) => eventIdOf(pdu, rules))
      const cited = [event.pdu, ...state, ...chain].flatMap(({ auth_events: auth }) => (Array.isArray(auth) ? auth : []))
      const known = [...ids(state), ...ids(chain)]
      expect(cited.filter((eventId) => !known.includes(String(eventId)))).toEqual([])
      expect(new Set(known).size).toBe(known.length)
      return { answer, members: state.filter(({ type }) => type === 'm.room.member'), types: state.map(({ type }) => type) }
    }
    const nameless = await send(member)
    expect(nameless.members).toHaveLength(5)
    expect(nameless.types).toContain('m.room.create')
    expect(nameless.answer.members_omitted).toBe(true)
    expect(nameless.answer.servers_in_room).toHaveLength(8)
    await setState(at, at.alice, { roomId, type: 'm.room.name', content: { name: 'A name' } })
    expect((await send(late)).members).toEqual([])
  })

  test('is refused for a user of another server, for a version that the server lacks, and where the rules forbid it', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const closed = await createRoom(at, at.alice, { preset: 'private_chat' })
    const member = foreign(at, 'member.example')
    const make = (room: string, userId: string, version: string) =>
      member.refused('GET', ['v1', 'make_join', room, userId], { query: [['ver', version]] })
    expect(await make(roomId, '@bob:other.example', '12')).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await make(roomId, member.userId, '11')).toEqual({ status: 400, errcode: 'M_INCOMPATIBLE_ROOM_VERSION' })
    expect(await make(closed, member.userId, '12')).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await make('!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', member.userId, '12')).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test('takes no event but the one that it names, of a user of the server that sends it', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const [member, other] = [foreign(at, 'member.example'), foreign(at, 'other.example')]
    const { event } = await membershipEvent(member, roomId, 'join')
    const send = (by: Foreign, eventId: string, body: JsonObject, kind = 'send_join') =>
      by.refused('PUT', ['v2', kind, roomId, eventId], { body })
    expect((await send(other, event.eventId, event.pdu)).status).toBe(403)
    expect((await send(member, '$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', event.pdu)).status).toBe(400)
    expect((await send(member, event.eventId, event.pdu, 'send_leave')).status).toBe(400)
    expect((await send(member, event.eventId, { ...event.pdu, signatures: {} })).status).toBe(403)
    expect((await send(member, event.eventId, {})).status).toBeGreaterThanOrEqual(400)
    expect((await send(member, event.eventId, event.pdu)).status).toBe(200)
  })
})

describe('an invitation', () => {
  async function invitation(
    by: Foreign,
    target: string,
    change: { event?: JsonObject; state?: (create: JsonObject) => JsonObject[] } = {},
  ) {
    const rules = rulesOf('12')
    if (!rules) throw new Error('version 12 is not served')
    const { buildPdu } = await import('../../src/spec/build-pdu.ts')
    const { roomIdOfCreate } = await import('../../src/spec/event-hash.ts')
    const common = { sender: by.userId, originServerTs: by.clock.now(), prevEvents: [], authEvents: [], depth: 1 }
    const create = await by.signEvent(
      buildPdu({ ...common, type: 'm.room.create', stateKey: '', content: { room_version: '12' } }, rules),
      rules,
    )
    const roomId = roomIdOfCreate(create, rules) ?? ''
    const member = { ...common, roomId, type: 'm.room.member', stateKey: target, content: { membership: 'invite', ...change.event } }
    const pdu = await by.signEvent(buildPdu(member, rules), rules)
    const body = { room_version: '12', event: pdu, invite_room_state: (change.state ?? ((first) => [first]))(create) }
    return { roomId, eventId: eventIdOf(pdu, rules) ?? '', body }
  }

  const send = (by: Foreign, { roomId, eventId, body }: { roomId: string; eventId: string; body: JsonObject }) =>
    by.refused('PUT', ['v2', 'invite', roomId, eventId], { body })

  test('reaches the user, and is answered with our signature beside the other one', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const invite = await invitation(bob, at.alice.userId)
    const answer = await bob.ask('PUT', ['v2', 'invite', invite.roomId, invite.eventId], { body: invite.body })
    expect(answer).toMatchObject({ event: { signatures: { 'bob.example': {}, [home]: {} } } })
    const sync = await within(at, 10_000, at.alice.must('GET', '/v3/sync'))
    expect(sync.body).toMatchObject({ rooms: { invite: { [invite.roomId]: {} } } })
  })

  test('is refused for who is no user here, for what is no invitation, and for a room version that is not served', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    expect((await send(bob, await invitation(bob, `@nobody:${home}`))).status).toBe(404)
    expect((await send(bob, await invitation(bob, '@bob:other.example'))).status).toBe(400)
    expect((await send(bob, await invitation(bob, at.alice.userId, { event: { membership: 'join' } }))).status).toBe(400)
    const unserved = await invitation(bob, at.alice.userId)
    expect(await send(bob, { ...unserved, body: { ...unserved.body, room_version: 'nonsense' } })).toEqual({
      status: 400,
      errcode: 'M_INCOMPATIBLE_ROOM_VERSION',
    })
    const mallory = foreign(at, 'mallory.example')
    expect((await send(mallory, await invitation(bob, at.alice.userId))).status).toBe(400)
  })

  test('is refused in rooms of version 12 unless it comes with the signed create event of its room', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const withState = async (state: (create: JsonObject) => JsonObject[]) => send(bob, await invitation(bob, at.alice.userId, { state }))
    expect(await withState(() => [])).toEqual({ status: 400, errcode: 'M_MISSING_PARAM' })
    expect(await withState((create) => [{ ...create, content: { room_version: '12', other: true } }])).toEqual({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
    expect(await withState((create) => [{ ...create, signatures: {} }])).toEqual({ status: 400, errcode: 'M_INVALID_PARAM' })
    expect(await withState(() => [{ type: 'm.room.create', state_key: '', sender: bob.userId, content: {} }])).toEqual({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
  })
})

describe('a transaction', () => {
  test('is answered once: a repeat gets the same answer, and nothing in it counts twice', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const message = {
      edu_type: 'm.direct_to_device',
      content: { sender: bob.userId, type: 'x', message_id: '', messages: { [at.alice.userId]: { '*': {} } } },
    }
    const body = (id: string) => ({
      origin: 'bob.example',
      origin_server_ts: 1,
      pdus: [],
      edus: [{ ...message, content: { ...message.content, message_id: id } }],
    })
    await bob.ask('PUT', ['v1', 'send', 'one'], { body: body('1') })
    await bob.ask('PUT', ['v1', 'send', 'one'], { body: body('2') })
    const sync = await within(at, 10_000, at.alice.must('GET', '/v3/sync'))
    expect(sync.body.to_device).toMatchObject({ events: [{ sender: bob.userId, type: 'x' }] })
  })

  test('of too many events or EDUs, or of none of the right shape, is refused whole', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const bodies: JsonObject[] = [
      { pdus: Array.from({ length: 51 }, () => ({})) },
      { pdus: [], edus: Array.from({ length: 101 }, () => ({})) },
      { pdus: {} },
      {},
    ]
    for (const body of bodies) expect(await bob.refused('PUT', ['v1', 'send', 'x'], { body })).toMatchObject({ status: 400 })
  })

  test('whatever lies in it is answered without an error of ours', async () => {
    const at = await homeserver()
    const roomId = await createRoom(at, at.alice)
    const bob = foreign(at, 'bob.example')
    const { event } = await membershipEvent(bob, roomId, 'join')
    let id = 0
    const edu = fc.record({
      edu_type: fc.constantFrom(
        'm.typing',
        'm.receipt',
        'm.presence',
        'm.direct_to_device',
        'm.device_list_update',
        'm.signing_key_update',
        'x',
        '__proto__',
        'constructor',
      ),
      content: fc.jsonValue({ maxDepth: 4 }),
    })
    const pdu = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.tuple(fc.constantFrom(...Object.keys(event.pdu)), fc.jsonValue()).map(([key, value]) => ({ ...event.pdu, [key]: value })),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(pdu, { maxLength: 5 }), fc.array(fc.oneof(edu, fc.jsonValue()), { maxLength: 5 }), async (pdus, edus) => {
        const body = JSON.parse(JSON.stringify({ pdus, edus }).replaceAll(/(?<![\d"])-?\d+\.\d+(e[+-]?\d+)?/g, '1'))
        expect(await bob.refused('PUT', ['v1', 'send', `fuzz${id++}`], { body })).toMatchObject({ status: 200 })
      }),
      { numRuns: 100 },
    )
  })
})

describe('users', () => {
  test('are told of by profile, devices and keys, and only those of this server', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const { userId } = at.alice
    await within(at, 10_000, at.alice.must('PUT', `/v3/profile/${userId}/displayname`, { displayname: 'Alice' }))
    expect(await within(at, 10_000, bob.users.profile(userId))).toMatchObject({ displayname: 'Alice' })
    expect(await within(at, 10_000, bob.users.profile(userId, 'displayname'))).toEqual({ displayname: 'Alice' })
    expect(await within(at, 10_000, bob.users.devices(userId))).toMatchObject({ user_id: userId, devices: [] })
    expect(await within(at, 10_000, bob.users.query(home, { [userId]: [], '@x:other.example': [] }))).toMatchObject({ device_keys: {} })
    const profile = (of: string) => bob.refused('GET', ['v1', 'query', 'profile'], { query: [['user_id', of]] })
    expect(await profile(`@nobody:${home}`)).toEqual({ status: 404, errcode: 'M_NOT_FOUND' })
    expect((await profile('@bob:bob.example')).status).toBe(400)
    expect((await profile('nonsense')).status).toBe(400)
    expect((await bob.refused('GET', ['v1', 'user', 'devices', `@nobody:${home}`])).status).toBe(404)
  })

  test('are known by their OpenID token until it ends', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const token = await within(at, 10_000, at.alice.must('POST', `/v3/user/${at.alice.userId}/openid/request_token`, {}))
    const ask = (accessToken: string) =>
      bob.client.json(home, {
        method: 'GET',
        path: ['federation', 'v1', 'openid', 'userinfo'],
        query: [['access_token', accessToken]],
        unsigned: true,
      })
    expect(await within(at, 10_000, ask(String(token.body.access_token)))).toEqual({ sub: at.alice.userId })
    await expect(within(at, 10_000, ask('nonsense'))).rejects.toMatchObject({ status: 502 })
  })
})

describe('the directory', () => {
  test('resolves aliases of this server alone, and lists what was published', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const roomId = await createRoom(at, at.alice, { room_alias_name: 'den', visibility: 'public', name: 'The den' })
    expect(await within(at, 10_000, bob.rooms.resolveAlias(home, `#den:${home}`))).toEqual({ roomId, servers: [home] })
    await expect(within(at, 10_000, bob.rooms.resolveAlias(home, `#none:${home}`))).rejects.toMatchObject({ errcode: 'M_NOT_FOUND' })
    await expect(within(at, 10_000, bob.rooms.resolveAlias(home, '#den:other.example'))).rejects.toMatchObject({ status: 400 })
    expect(await within(at, 10_000, bob.directory.publicRooms(home, {}))).toMatchObject({ chunk: [{ room_id: roomId, name: 'The den' }] })
    expect(await within(at, 10_000, bob.directory.publicRooms(home, { filter: { generic_search_term: 'nothing' } }))).toMatchObject({
      chunk: [],
    })
  })

  test('shows a space with those of its children that the server may see', async () => {
    const at = await homeserver()
    const bob = foreign(at, 'bob.example')
    const [open, closed] = [await createRoom(at, at.alice, { name: 'Open' }), await createRoom(at, at.alice, { preset: 'private_chat' })]
    const space = await createRoom(at, at.alice, { creation_content: { type: 'm.space' } })
    for (const child of [open, closed]) {
      const path = `/v3/rooms/${encodeURIComponent(space)}/state/m.space.child/${encodeURIComponent(child)}`
      await within(at, 10_000, at.alice.must('PUT', path, { via: [home] }))
    }
    const answer = await within(at, 10_000, bob.directory.hierarchy(home, space, false))
    expect(answer).toMatchObject({
      room: { room_id: space, room_type: 'm.space' },
      children: [{ room_id: open, name: 'Open' }],
      inaccessible_children: [closed],
    })
    expect(await within(at, 10_000, bob.directory.hierarchy(home, space, true))).toMatchObject({ children: [], inaccessible_children: [] })
    await expect(within(at, 10_000, bob.directory.hierarchy(home, closed, false))).rejects.toMatchObject({ status: 404 })
  })
})

describe('the router', () => {
  const asked = async (handler: Party['handler'] | undefined, method: string, path: string) => {
    const response = await handler?.(new Request(`https://${home}${path}`, { method }), { trusted: false, address: 'test', uri: path })
    return { status: response?.status, body: await response?.json() }
  }

  test('answers what it does not serve as unrecognised, and what is not signed as unauthorised', async () => {
    const at = await homeserver()
    const handler = at.server.running?.handleFederation
    expect(await asked(handler, 'GET', '/_matrix/federation/v1/nonsense')).toMatchObject({
      status: 404,
      body: { errcode: 'M_UNRECOGNIZED' },
    })
    expect(await asked(handler, 'POST', '/_matrix/federation/v1/version')).toMatchObject({
      status: 405,
      body: { errcode: 'M_UNRECOGNIZED' },
    })
    expect(await asked(handler, 'GET', '/_matrix/federation/v1/version')).toMatchObject({ status: 200, body: { server: { name: 'Yurt' } } })
    expect(await asked(handler, 'GET', '/_matrix/federation/v1/publicRooms')).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNAUTHORIZED' },
    })
    expect(await asked(handler, 'GET', '/_matrix/client/v3/sync')).toMatchObject({ status: 404 })
  })

  test('answers clients that call v3 by the name it had before Matrix 1.1', async () => {
    const handler = (await homeserver()).server.running?.handleClient
    expect(await asked(handler, 'GET', '/_matrix/client/r0/login')).toMatchObject({ status: 200 })
    expect(await asked(handler, 'GET', '/_matrix/client/r0/sync')).toMatchObject({ status: 401, body: { errcode: 'M_MISSING_TOKEN' } })
    expect(await asked(handler, 'GET', '/_matrix/client/r1/login')).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
  })
})
