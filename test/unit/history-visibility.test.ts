import { beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { PushNotifications } from '../../src/sync/push-notifications.ts'
import { at, type ClientApi, encode, listAt, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const carol = '@carol:a.example'

/** What bob is to the room when alice says each of these; `first` and `again` are his two stays. */
const phases = ['stranger', 'invited', 'first', 'left', 'banned', 'knocking', 'invited again', 'again'] as const
type Phase = (typeof phases)[number] | 'gone'
const joined: readonly Phase[] = ['first', 'again']
const invited: readonly Phase[] = ['invited', 'first', 'invited again', 'again']

/** What bob may see once he is in the room again, and what after he has left it for good; what carol may, who never was in it. */
const table = [
  { visibility: 'world_readable', inside: phases, outside: [...phases, 'gone'], strangers: [...phases, 'gone'] },
  { visibility: 'shared', inside: phases, outside: phases, strangers: [] },
  { visibility: 'invited', inside: invited, outside: invited, strangers: [] },
  { visibility: 'joined', inside: joined, outside: joined, strangers: [] },
] satisfies { visibility: string; inside: readonly Phase[]; outside: readonly Phase[]; strangers: readonly Phase[] }[]

/** A room in which alice says something in every phase; from bob's first stay on, in a thread that begins with what she says then. */
async function storyOf(visibility: string) {
  const api = await openClientApi()
  const roomId = await api.createRoom(alice, {
    initial_state: [
      { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } },
      { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } },
    ],
  })
  const room = `/v3/rooms/${encode(roomId)}`
  const about = { user_id: bob }
  const steps: Readonly<Record<Phase, () => Promise<unknown>>> = {
    stranger: async () => undefined,
    invited: () => api.post(alice, `${room}/invite`, about),
    first: () => api.join(bob, roomId),
    left: () => api.post(bob, `${room}/leave`),
    banned: () => api.post(alice, `${room}/ban`, about),
    knocking: async () => {
      await api.post(alice, `${room}/unban`, about)
      await api.post(bob, `/v3/knock/${encode(roomId)}`)
    },
    'invited again': () => api.post(alice, `${room}/invite`, about),
    again: () => api.join(bob, roomId),
    gone: () => api.post(bob, `${room}/leave`),
  }
  const eventIds = new Map<Phase, string>()
  const go = async (phase: Phase) => {
    await steps[phase]()
    await api.clock.run(1_000)
    const root = eventIds.get('first')
    const relation: JsonObject = root === undefined ? {} : { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
    eventIds.set(phase, await api.send(alice, roomId, `said: ${phase}`, relation))
    await api.clock.run(1_000)
  }
  for (const phase of phases) await go(phase)
  return { api, roomId, room, eventIds, root: eventIds.get('first') ?? '', go }
}

type Story = Awaited<ReturnType<typeof storyOf>>

/** The phases whose messages are in an answer, wherever. */
function phasesIn(answer: unknown): Phase[] {
  const text = JSON.stringify(answer ?? null)
  return [...phases, 'gone' as const].filter((phase) => text.includes(`"said: ${phase}"`))
}

const inThread = (phase: Phase) => ['left', 'banned', 'knocking', 'invited again', 'again', 'gone'].includes(phase)

async function body(api: ClientApi, user: string, path: string): Promise<unknown> {
  return (await api.ask(user, 'GET', path)).body
}

async function ofEach({ eventIds }: Story, read: (eventId: string) => Promise<unknown>): Promise<Phase[]> {
  const answers = await Promise.all([...eventIds].map(async ([phase, eventId]) => ({ phase, shown: phasesIn(await read(eventId)) })))
  return answers.flatMap(({ phase, shown }) => (shown.includes(phase) ? phase : []))
}

interface Reading {
  readonly read: (story: Story, user: string) => Promise<Phase[]>
  /** Phases of which it tells at all. */
  readonly tells?: (phase: Phase) => boolean
  /** It may tell less than may be seen, and is for who is in the room. */
  readonly atMost?: true
}

const readings: Readonly<Record<string, Reading>> = {
  '/messages backwards': { read: async ({ api, room }, user) => phasesIn(await body(api, user, `${room}/messages?dir=b&limit=100`)) },
  '/messages forwards': { read: async ({ api, room }, user) => phasesIn(await body(api, user, `${room}/messages?dir=f&limit=100`)) },
  '/event': { read: (story, user) => ofEach(story, (eventId) => body(story.api, user, `${story.room}/event/${encode(eventId)}`)) },
  '/context of each': {
    read: (story, user) => ofEach(story, (eventId) => body(story.api, user, `${story.room}/context/${encode(eventId)}?limit=0`)),
  },
  '/context around one': {
    read: async ({ api, room, root }, user) => phasesIn(await body(api, user, `${room}/context/${encode(root)}?limit=100`)),
  },
  '/relations': {
    read: async ({ api, roomId, root }, user) =>
      phasesIn(await body(api, user, `/v1/rooms/${encode(roomId)}/relations/${encode(root)}?limit=100`)),
    tells: inThread,
  },
  '/search': {
    read: async ({ api }, user) => {
      const room_events = { search_term: 'said', event_context: { before_limit: 100, after_limit: 100 }, filter: { limit: 100 } }
      return phasesIn(await api.post(user, '/v3/search', { search_categories: { room_events } }))
    },
    atMost: true,
  },
  '/sync': {
    read: async ({ api }, user) => {
      const filter = encode(JSON.stringify({ room: { include_leave: true, timeline: { limit: 100 } } }))
      return phasesIn(await body(api, user, `/v3/sync?filter=${filter}`))
    },
    atMost: true,
  },
  '/sync of full state': { read: async ({ api }, user) => phasesIn(await body(api, user, '/v3/sync?full_state=true')), atMost: true },
  'sliding sync': {
    read: async ({ api, roomId }, user) => {
      const wish = { timeline_limit: 100, required_state: [['*', '*']] }
      const body = { lists: { all: { ...wish, ranges: [[0, 9]] } }, room_subscriptions: { [roomId]: wish } }
      return phasesIn(await api.post(user, '/unstable/org.matrix.simplified_msc3575/sync', body))
    },
    atMost: true,
  },
  '/timestamp_to_event': {
    read: (story, user) =>
      ofEach(story, async (eventId) => {
        const record = await story.api.store.event(eventId)
        const query = `ts=${record?.event.originServerTs}&dir=b`
        const { event_id: found } = Object(await body(story.api, user, `/v1/rooms/${encode(story.roomId)}/timestamp_to_event?${query}`))
        return found === eventId ? record?.event.content : undefined
      }),
  },
  '/notifications': { read: async ({ api }, user) => phasesIn(await body(api, user, '/v3/notifications?limit=100')), atMost: true },
  '/threads': {
    read: async ({ api, roomId }, user) => phasesIn(await body(api, user, `/v1/rooms/${encode(roomId)}/threads`)),
    atMost: true,
  },
  '/initialSync of the room': {
    read: async ({ api, room }, user) => phasesIn(await body(api, user, `${room}/initialSync?limit=100`)),
    atMost: true,
  },
  '/initialSync': {
    read: async ({ api }, user) => phasesIn(await body(api, user, '/v3/initialSync?limit=100&archived=true')),
    atMost: true,
  },
  'what is pushed': {
    read: (story, user) => {
      const { api } = story
      const pushes = new PushNotifications({ ...api, sources: api, members: api.views.members })
      return ofEach(story, async (eventId) => {
        const record = await api.store.event(eventId)
        return record && (await pushes.about(user, record))?.details
      })
    },
    atMost: true,
  },
}

/** How many replies the thread is said to have, as it stands under its first message. */
async function repliesCounted({ api, room, root }: Story, user: string): Promise<unknown> {
  return at(Object(await body(api, user, `${room}/event/${encode(root)}`)), 'unsigned', 'm.relations', 'm.thread', 'count')
}

describe.each(table)('a room whose history is $visibility', ({ visibility, inside, outside, strangers }) => {
  let story: Story
  beforeAll(async () => {
    story = await storyOf(visibility)
  })

  async function expectShown(user: string, may: readonly Phase[]): Promise<void> {
    for (const [name, { read, tells = () => true, atMost }] of Object.entries(readings)) {
      const shown = await read(story, user)
      const expected = may.filter(tells)
      if (atMost) expect([name, shown.filter((phase) => !may.includes(phase))]).toEqual([name, []])
      else expect([name, shown]).toEqual([name, expected])
    }
  }

  test('shows who is in it what was said by the state at each event, by every way of reading', async () => {
    await expectShown(bob, inside)
    expect(await repliesCounted(story, bob)).toBe(inside.filter(inThread).length)
  })

  test('shows who left it, and who never was in it, no more than that', async () => {
    await story.go('gone')
    await expectShown(bob, outside)
    await expectShown(carol, strangers)
    expect(await repliesCounted(story, bob)).toBe(outside.filter(inThread).length)
  })
})

test('the members that come with a page of history are those of its time: who has left learns nothing new of them', async () => {
  const api = await openClientApi()
  const roomId = await api.createRoom(alice, { preset: 'public_chat' })
  await api.join(carol, roomId)
  await api.send(carol, roomId, 'of carol')
  await api.join(bob, roomId)
  await api.send(alice, roomId, 'of alice')
  await api.post(bob, `/v3/rooms/${encode(roomId)}/leave`)
  await api.put(carol, `/v3/rooms/${encode(roomId)}/state/m.room.member/${carol}`, { membership: 'join', displayname: 'secret name' })
  const filter = encode('{"lazy_load_members":true}')
  for (const dir of ['f', 'b']) {
    const page = await api.get(bob, `/v3/rooms/${encode(roomId)}/messages?dir=${dir}&limit=100&filter=${filter}`)
    expect(listAt(page, 'state').map(({ state_key: userId }) => userId)).toContain(carol)
    expect(JSON.stringify(page)).not.toContain('secret name')
  }
})
