import { expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { at, type ClientApi, encode, openClientApi } from './client-fixture.ts'
import { eventsRead } from './events-read.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const rooms = 5
const said = 20

/** Alice's first sync of a client that has nothing yet. */
function initial(api: ClientApi) {
  return api.get(
    alice,
    `/v3/sync?filter=${encode(JSON.stringify({ room: { timeline: { limit: 10 }, state: { lazy_load_members: true } } }))}`,
  )
}

async function roomsWithMessages(storage: MemoryStorage) {
  const api = await openClientApi({ storage })
  // All at once: what is read of one room while others are written counts as well.
  const found = await Promise.all(
    Array.from({ length: rooms }, async () => {
      const roomId = await api.createRoom(bob, { preset: 'public_chat' })
      await api.join(alice, roomId)
      const eventIds: string[] = []
      for (let m = 0; m < said; m++) eventIds.push(await api.send(bob, roomId, `${m}`))
      return { roomId, eventIds }
    }),
  )
  return { api, found }
}

function tables(storage: MemoryStorage): () => string[] {
  const asked: string[] = []
  const read = storage.read.bind(storage)
  storage.read = (named, run) => {
    asked.push(...named.map(({ name }) => name))
    return read(named, run)
  }
  return () => asked
}

test('an initial sync after a start reads the newest events of a room in one piece, and few beside', async () => {
  const storage = new MemoryStorage()
  await roomsWithMessages(storage)
  const api = await openClientApi({ storage })
  const count = eventsRead(storage)
  const response = await initial(api)
  expect(Object.keys(Object(at(response, 'rooms', 'join')))).toHaveLength(rooms)
  expect(count()).toBeLessThan(8 * rooms)
})

test('an initial sync that comes again asks storage for no timeline, receipt or relation', async () => {
  const storage = new MemoryStorage()
  const { api } = await roomsWithMessages(storage)
  const first = await initial(api)
  const asked = tables(storage)
  const again = await initial(api)
  const timelines = (answer: JsonObject) =>
    Object.values<JsonValue>(Object(at(answer, 'rooms', 'join'))).map((room) => at(room, 'timeline', 'prev_batch'))
  expect(timelines(again)).toEqual(timelines(first))
  expect(asked().filter((name) => ['timeline', 'receipts', 'relations'].includes(name))).toEqual([])
})

test('what changes after that is told: an edit, a receipt, a message, a redaction, before and after a start', async () => {
  const storage = new MemoryStorage()
  const { api, found } = await roomsWithMessages(storage)
  await initial(api)
  const { roomId, eventIds } = found[0] ?? { roomId: '', eventIds: [] }
  const room = `/v3/rooms/${encode(roomId)}`
  const [edited = '', redacted = ''] = eventIds.slice(-2)
  const relation = { rel_type: 'm.replace', event_id: edited }
  const content = { msgtype: 'm.text', body: '* new', 'm.new_content': { msgtype: 'm.text', body: 'new' }, 'm.relates_to': relation }
  await api.put(bob, `${room}/send/m.room.message/edit`, content)
  await api.put(bob, `${room}/redact/${encode(redacted)}/r`, {})
  await api.post(alice, `${room}/receipt/m.read/${encode(edited)}`)
  const last = await api.send(bob, roomId, 'last')
  for (const reader of [api, await openClientApi({ storage })]) {
    const shown = at(await initial(reader), 'rooms', 'join', roomId)
    const events = Object.values<JsonValue>(Object(at(shown, 'timeline', 'events')))
    const of = (eventId: string) => events.find((event) => at(event, 'event_id') === eventId)
    expect(at(of(edited), 'unsigned', 'm.relations', 'm.replace', 'sender')).toBe(bob)
    expect(at(of(redacted), 'content')).toEqual({})
    expect(events.map((event) => at(event, 'event_id')).at(-1)).toBe(last)
    expect(Object.keys(Object(at(shown, 'ephemeral', 'events', 0, 'content')))).toEqual([edited])
  }
})
