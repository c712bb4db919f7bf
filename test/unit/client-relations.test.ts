import { expect, test } from 'vitest'
import { removeRange } from '../../src/ports/storage.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { childrenInOrder, orderedRelations, threadReplies } from '../../src/storage/tables/rooms.ts'
import { at, encode, listAt, openClientApi, said } from './client-fixture.ts'
import { eventsRead } from './events-read.ts'

const alice = '@alice:a.example'

const related = (eventId: string, relType: string): JsonObject => ({ 'm.relates_to': { rel_type: relType, event_id: eventId } })

/** A room with 150 threads, and an event with 150 references, as a homeserver finds it that has just started. */
async function manyRelations() {
  const storage = new MemoryStorage()
  const first = await openClientApi({ storage })
  const roomId = await first.createRoom(alice)
  const parent = await first.send(alice, roomId, 'parent')
  const references: string[] = []
  for (let n = 0; n < 150; n++) {
    references.push(await first.send(alice, roomId, `reference ${n}`, related(parent, 'm.reference')))
    const root = await first.send(alice, roomId, `root ${n}`)
    await first.send(alice, roomId, 'reply', related(root, 'm.thread'))
  }
  return { storage, api: await openClientApi({ storage }), references, path: `/v1/rooms/${encode(roomId)}`, parent }
}

test('a page of threads, or of relations, reads about as many events as it shows, however many there are', async () => {
  const { api, path, parent, storage } = await manyRelations()
  await api.get(alice, `${path}/threads?limit=1`)
  const other = await openClientApi({ storage })
  const count = eventsRead(storage)
  const threads = await other.get(alice, `${path}/threads?limit=3`)
  expect(said(listAt(threads, 'chunk'))).toEqual(['root 149', 'root 148', 'root 147'])
  const relations = await other.get(alice, `${path}/relations/${encode(parent)}?limit=3&dir=f`)
  expect(said(listAt(relations, 'chunk'))).toEqual(['reference 0', 'reference 1', 'reference 2'])
  expect(count()).toBeLessThan(50)
})

test('all threads and relations are there page by page, in either direction, each once', async () => {
  const { api, path, parent, references } = await manyRelations()
  const walk = async (list: string) => {
    const bodies: unknown[] = []
    for (let from = ''; ; ) {
      const page = await api.get(alice, `${path}/${list}&limit=40${from}`)
      bodies.push(...said(listAt(page, 'chunk')))
      if (page.next_batch === undefined) return bodies
      from = `&from=${String(page.next_batch)}`
    }
  }
  const numbered = (what: string) => references.map((_, n) => `${what} ${n}`)
  expect(await walk('threads?include=all')).toEqual(numbered('root').reverse())
  expect(await walk('threads?include=participated')).toEqual(numbered('root').reverse())
  expect(await walk(`relations/${encode(parent)}?dir=f`)).toEqual(numbered('reference'))
  expect(await walk(`relations/${encode(parent)}/m.reference?dir=b`)).toEqual(numbered('reference').reverse())
})

test('what relates to an event through others is there page by page, in either direction, each once, however much it is', async () => {
  const api = await openClientApi()
  const roomId = await api.createRoom(alice)
  const root = await api.send(alice, roomId, 'root')
  const replies: string[] = []
  for (let n = 0; n < 1_005; n++) replies.push(await api.send(alice, roomId, `reply ${n}`, related(root, 'm.thread')))
  // They come last, and to what came first.
  const reactions: string[] = []
  for (let n = 0; n < 5; n++) reactions.push(await api.send(alice, roomId, `reaction ${n}`, related(replies[n] ?? '', 'm.annotation')))
  await api.send(alice, roomId, 'indeed', related(reactions[0] ?? '', 'm.annotation'))
  await api.send(alice, roomId, 'through what is gone', related(replies[7] ?? '', 'm.annotation'))
  await api.put(alice, `/v3/rooms/${encode(roomId)}/redact/${encode(replies[7] ?? '')}/r`, {})
  const walk = async (query: string) => {
    const bodies: unknown[] = []
    for (let from = ''; ; ) {
      const page = await api.get(alice, `/v1/rooms/${encode(roomId)}/relations/${encode(root)}${query}&recurse=true&limit=100${from}`)
      expect(listAt(page, 'chunk').length).toBeLessThanOrEqual(100)
      bodies.push(...said(listAt(page, 'chunk')))
      if (page.next_batch === undefined) return bodies
      from = `&from=${String(page.next_batch)}`
    }
  }
  const thread = replies.map((_, n) => `reply ${n}`).filter((_, n) => n !== 7)
  const all = [...thread, ...reactions.map((_, n) => `reaction ${n}`), 'indeed']
  expect(await walk('?dir=f')).toEqual(all)
  expect(await walk('?dir=b')).toEqual(all.toReversed())
  expect(await walk('/m.annotation?dir=f')).toEqual(all.slice(thread.length))
})

test('an event is told with the newest hundred of the events that refer to it', async () => {
  const { api, parent, references, path } = await manyRelations()
  const event = await api.get(alice, `/v3${path.slice(3)}/event/${encode(parent)}`)
  const chunk = listAt(at(event, 'unsigned', 'm.relations', 'm.reference'), 'chunk').map((reference) => reference.event_id)
  expect(chunk).toEqual(references.slice(-100))
})

test('a thread of many replies is told with their number and the latest', async () => {
  const api = await openClientApi()
  const roomId = await api.createRoom(alice)
  const root = await api.send(alice, roomId, 'root')
  await api.send(alice, roomId, 'edit', { 'm.new_content': { body: 'edited' }, ...related(root, 'm.replace') })
  for (let n = 0; n < 120; n++) await api.send(alice, roomId, `reply ${n}`, related(root, 'm.thread'))
  const event = await api.get(alice, `/v3/rooms/${encode(roomId)}/event/${encode(root)}`)
  const thread = at(event, 'unsigned', 'm.relations', 'm.thread')
  expect([at(thread, 'count'), at(thread, 'latest_event', 'content', 'body')]).toEqual([120, 'reply 119'])
  expect(at(event, 'unsigned', 'm.relations', 'm.replace', 'content', 'body')).toBe('edit')
})

test('relations that were kept before there was an order are put into it when they are asked for', async () => {
  const { storage, path, parent } = await manyRelations()
  await storage.commit([removeRange(childrenInOrder, {}), removeRange(threadReplies, {}), removeRange(orderedRelations, {})])
  const api = await openClientApi({ storage })
  expect(said(listAt(await api.get(alice, `${path}/threads?limit=2`), 'chunk'))).toEqual(['root 149', 'root 148'])
  expect(listAt(await api.get(alice, `${path}/relations/${encode(parent)}?limit=100`), 'chunk')).toHaveLength(100)
})
