import { beforeAll, describe, expect, test } from 'vitest'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { homeWorld, RogueServer } from './rogue-server.ts'

/** What mallory, a user of the other server, is to the room when alice says each of these. */
const phases = ['stranger', 'invited', 'first', 'left', 'banned', 'again'] as const
type Phase = (typeof phases)[number]

/** What the other server may read while mallory is in the room, and what after another of its users came in mallory's stead. */
const table = [
  { visibility: 'world_readable', own: phases },
  { visibility: 'shared', own: phases },
  { visibility: 'invited', own: ['invited', 'first', 'again'] },
  { visibility: 'joined', own: ['first', 'again'] },
] satisfies { visibility: string; own: readonly Phase[] }[]

async function storyOf(visibility: string) {
  const home = await homeWorld()
  const roomId = await home.room({
    initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } }],
  })
  const other = new RogueServer(home, 'other.example')
  other.script = ({ path, body }) => (path.includes('/invite/') && isObject(body.event) ? { event: body.event } : undefined)
  const room = `/v3/rooms/${encodeURIComponent(roomId)}`
  const about = { user_id: other.userId }
  const leave = async () => {
    for (const pdu of other.received) if (pdu.room_id === roomId) other.know(pdu)
    await other.send(await other.make({ type: 'm.room.member', stateKey: other.userId, content: { membership: 'leave' } }))
    await home.settle()
  }
  const steps: Readonly<Record<Phase, () => Promise<unknown>>> = {
    stranger: async () => undefined,
    invited: () => home.must('POST', `${room}/invite`, about),
    first: () => other.join(roomId),
    left: leave,
    banned: () => home.must('POST', `${room}/ban`, about),
    again: async () => {
      await home.must('POST', `${room}/unban`, about)
      await other.join(roomId)
    },
  }
  const eventIds = new Map<Phase, string>()
  for (const phase of phases) {
    await steps[phase]()
    eventIds.set(phase, await home.say(roomId, `said: ${phase}`))
    await home.clock.run(5_000)
  }
  return { home, roomId, other, eventIds, leave, last: eventIds.get('again') ?? '' }
}

type Story = Awaited<ReturnType<typeof storyOf>>
type Request = Parameters<RogueServer['ask']>

/** Requests by which the other server could read what was said. */
function requests({ roomId, eventIds, last }: Story): readonly (readonly [string, readonly Request[]])[] {
  const at: [string, string][] = [['event_id', last]]
  const from: [string, string][] = [
    ['v', last],
    ['limit', '100'],
  ]
  const gap = { earliest_events: [], latest_events: [last], limit: 100 }
  return [
    ['/backfill', [['GET', ['v1', 'backfill', roomId], { query: from }]]],
    ['/event', [...eventIds.values()].map((eventId): Request => ['GET', ['v1', 'event', eventId]])],
    ['/get_missing_events', [['POST', ['v1', 'get_missing_events', roomId], { body: gap }]]],
    ['/state', [['GET', ['v1', 'state', roomId], { query: at }]]],
    ['/event_auth', [['GET', ['v1', 'event_auth', roomId, last]]]],
  ]
}

const tells: Readonly<Record<string, (phase: Phase) => boolean>> = {
  '/get_missing_events': (phase) => phase !== 'again',
  '/state': () => false,
  '/event_auth': () => false,
}

function phasesIn(answers: readonly JsonObject[]): Phase[] {
  const text = JSON.stringify(answers)
  return phases.filter((phase) => text.includes(`"said: ${phase}"`))
}

describe.each(table)('in a room whose history is $visibility, a server', ({ visibility, own }) => {
  let story: Story
  beforeAll(async () => {
    story = await storyOf(visibility)
  })

  test('reads what its user could at each event, by every way of reading', async () => {
    for (const [name, asked] of requests(story)) {
      const answers: JsonObject[] = []
      for (const request of asked) answers.push(await story.other.ask(...request))
      expect([name, phasesIn(answers)]).toEqual([name, own.filter(tells[name] ?? (() => true))])
    }
  })

  test('gets nothing once its last user is gone', async () => {
    await story.leave()
    for (const [name, asked] of requests(story)) {
      for (const request of asked)
        expect([name, await story.other.refused(...request)]).toEqual([name, { status: 403, errcode: 'M_FORBIDDEN' }])
    }
  })
})
