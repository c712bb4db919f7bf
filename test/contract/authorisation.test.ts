import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from './endpoints/row.ts'
import { clientRows } from './endpoints/rows.ts'
import type { Person, Sample } from './endpoints/sample.ts'
import { type Answer, passwordOf, type RoomScene, secret, World } from './endpoints/world.ts'
import { type Route, routesOf } from './specification/served.ts'
import { changes, dumpOf } from './storage-dump.ts'

const world = await World.open()
const { client } = await world.home.homeserver.endpoints()
const routes = routesOf(client)
const byName = routes.map((route) => [route.name, route] as const)
let loggedOut: string

beforeAll(async () => {
  const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: passwordOf('alice') }
  const { access_token: token } = await world.must(undefined, 'POST', '/_matrix/client/v3/login', login)
  loggedOut = String(token)
  await world.send({ method: 'POST', uri: '/_matrix/client/v3/logout', token: loggedOut })
})

afterAll(() => world.close())

/** A request of Alice's that is in order, where the route has one. */
async function sampleOf(route: Route): Promise<Sample> {
  return (await clientRows[route.name]?.request(world)) ?? {}
}

/** What `act` changes of the homeserver's store. */
async function changesBy(act: () => Promise<unknown>, concerns?: (row: string) => boolean): Promise<string[]> {
  await settled()
  const before = await dumpOf(world.home.storage)
  await act()
  await settled()
  return changes(before, await dumpOf(world.home.storage), concerns)
}

/** Lets what goes on behind answered requests come to its end. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  await world.home.homeserver.idle()
}

const outcome = ({ status, body }: Answer) => `${status} ${body.errcode}`

describe('a token that is missing, wrong or logged out', () => {
  test.each(byName.filter(([, { endpoint }]) => endpoint.access !== 'public'))('opens nothing at %s', async (_name, route) => {
    const sample = await sampleOf(route)
    const answers: string[] = []
    const changed = await changesBy(async () => {
      answers.push(outcome(await world.sample(route, sample, 'wrong')), outcome(await world.sample(route, sample, loggedOut)))
      if (route.endpoint.access === 'user') answers.push(outcome(await world.sample(route, { ...sample, as: 'nobody' })))
    })
    const expected = ['401 M_UNKNOWN_TOKEN', '401 M_UNKNOWN_TOKEN', '401 M_MISSING_TOKEN']
    expect(answers).toEqual(expected.slice(0, answers.length))
    expect(changed).toEqual([])
  })
})

/** Those whom a row says something about: a stranger, and who left the room of the request or was banned from it. */
async function outsiders({ others }: Row, { params }: Sample): Promise<Person[]> {
  const isAboutRoom = params?.roomId !== undefined && (others === 'refused' || others === 'history')
  return [await world.register(), ...(isAboutRoom ? [world.carol, world.dave] : [])]
}

describe("what is Alice's", () => {
  test.each(byName.filter(([name]) => clientRows[name]))('is safe from others at %s', async (name, route) => {
    const row = clientRows[name]
    if (!row) throw new Error(`${name} has no row in test/contract/endpoints/`)
    const sample = await row.request(world)
    const [stranger, ...former] = await outsiders(row, sample)
    for (const other of stranger ? [stranger, ...former] : former) {
      const answers: Answer[] = []
      const changed = await changesBy(
        async () => {
          answers.push(await world.sample(route, sample, other.token))
        },
        concernOf(row, sample, other),
      )
      const refused = answers.map(({ status, body }) =>
        status >= 400 && status < 500 && body.errcode !== 'M_UNKNOWN_TOKEN' ? 'refused' : 'allowed',
      )
      if (row.others === 'refused' || (row.others === 'history' && other === stranger))
        expect(refused, answers[0]?.text).toEqual(['refused'])
      expect(answers[0]?.text, other.name).not.toContain(secret)
      expect(changed, other.name).toEqual([])
    }
    // What was refused to others was in order, and still is.
    if (row.others === 'anyone') return
    const { status, text } = await world.sample(route, sample)
    expect(status, text).toBe(200)
  })
})

/** Which rows of the store nobody else may change by such a request. */
function concernOf({ others }: Row, { as }: Sample, other: Person): (row: string) => boolean {
  const owner = as === undefined || as === 'nobody' ? world.alice : as
  if (others === 'own') return (row) => row.includes(owner.userId) && !row.includes(other.userId)
  return () => others !== 'anyone'
}

/** A room of Alice's with a secret in it that was said before Bob came, and then what all may know. */
async function roomWithVisibility(visibility: string): Promise<{ scene: RoomScene; newcomer: Person }> {
  const { room_id } = await world.must(world.alice, 'POST', '/_matrix/client/v3/createRoom', {
    preset: 'public_chat',
    initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } }],
  })
  const roomId = String(room_id)
  const eventId = await world.say(roomId, secret)
  await world.say(roomId, secret, { 'm.relates_to': { rel_type: 'm.thread', event_id: eventId } })
  const newcomer = await world.register()
  await world.must(newcomer, 'POST', `/_matrix/client/v3/join/${encodeURIComponent(roomId)}`, {})
  await world.say(roomId, 'welcome')
  return { scene: { roomId, eventId, earlyEventId: eventId }, newcomer }
}

const reading = byName.filter(
  ([name]) => clientRows[name]?.others === 'history' || /search|sync|events|notifications|initialSync/i.test(name),
)

describe('history', () => {
  test.each(['joined', 'invited'])('that only members of the time may see (%s) is hidden from who came later', async (visibility) => {
    const { scene, newcomer } = await roomWithVisibility(visibility)
    await world.inRoom(scene, async () => {
      for (const [name, route] of reading) {
        const { text } = await world.sample(route, (await clientRows[name]?.request(world)) ?? {}, newcomer.token)
        expect(text, name).not.toContain(secret)
      }
    })
  })

  test('that is shared is shown to who came later, and not to who never came', async () => {
    const { scene, newcomer } = await roomWithVisibility('shared')
    const uri = `/_matrix/client/v3/rooms/${encodeURIComponent(scene.roomId)}/messages?dir=b`
    expect((await world.ask(newcomer, 'GET', uri)).text).toContain(secret)
    const stranger = await world.register()
    await world.inRoom(scene, async () => {
      for (const [name, route] of reading) {
        const { text } = await world.sample(route, (await clientRows[name]?.request(world)) ?? {}, stranger.token)
        expect(text, name).not.toContain(secret)
      }
    })
  })

  test('that is readable by the world is shown to who never came', async () => {
    const { scene } = await roomWithVisibility('world_readable')
    const uri = `/_matrix/client/v3/rooms/${encodeURIComponent(scene.roomId)}/messages?dir=b`
    expect((await world.ask(world.mallory, 'GET', uri)).text).toContain(secret)
  })
})

describe('a device', () => {
  test('publishes no keys in the name of another device of its user', async () => {
    const user = await world.register()
    const keys = { user_id: user.userId, device_id: 'OTHER', algorithms: [], keys: { 'ed25519:OTHER': 'a' }, signatures: {} }
    const { status } = await world.ask(user, 'POST', '/_matrix/client/v3/keys/upload', { device_keys: keys })
    expect(status).toBe(400)
  })

  test('gets no messages that were sent to another', async () => {
    const user = await world.register()
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: user.name }, password: passwordOf(user.name) }
    const { access_token: token } = await world.must(undefined, 'POST', '/_matrix/client/v3/login', login)
    const messages = { [user.userId]: { [user.deviceId]: { text: secret } } }
    await world.must(world.bob, 'PUT', `/_matrix/client/v3/sendToDevice/org.example/${world.fresh('txn')}`, { messages })
    const sync = { method: 'GET', uri: '/_matrix/client/v3/sync' }
    expect((await world.send({ ...sync, token: String(token) })).text).not.toContain(secret)
    expect((await world.send({ ...sync, token: user.token })).text).toContain(secret)
  })
})
