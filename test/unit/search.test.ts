import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Key, ReadTx, Storage, Table, Write } from '../../src/ports/storage.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { blocksBefore, blockWrites, foundInBlock } from '../../src/sync/search/blocks.ts'
import { isFoundBy, wordsOfTerm, wordsOfText } from '../../src/sync/search/words.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const joinedOnly = { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'joined' } }
const path = (roomId: string) => `/v3/rooms/${encode(roomId)}`

const search = async (api: ClientApi, user: string, criteria: JsonObject) =>
  at(await api.post(user, '/v3/search', { search_categories: { room_events: criteria } }), 'search_categories', 'room_events')
const eventsOf = (result: JsonValue | undefined) => listAt(result, 'results').flatMap(({ result: event }) => listAt([event ?? null]))
const find = async (api: ClientApi, user: string, term: string, more: JsonObject = {}) =>
  said(eventsOf(await search(api, user, { search_term: term, ...more })))

/** Counts the rows of the events table that are read in ranges: how much history is gone through. */
class CountingStorage implements Storage {
  readonly #kept = new MemoryStorage()
  rows = 0
  /** What each of those reads waits for. */
  gate: Promise<void> = Promise.resolve()

  read<T>(tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>): Promise<T> {
    return this.#kept.read(tables, (tx) =>
      run({
        get: tx.get.bind(tx),
        getMany: tx.getMany.bind(tx),
        range: async (table, range) => {
          const rows = await tx.range(table, range)
          if (table.name !== 'events') return rows
          this.rows += rows.length
          await this.gate
          return rows
        },
      }),
    )
  }

  commit(batch: readonly Write[]): Promise<void> {
    return this.#kept.commit(batch)
  }
}

/** Many messages in few commits, as if they had been said over months. */
async function say(api: ClientApi, roomId: string, bodies: readonly string[]) {
  const messages = bodies.map((body) => ({ roomId, sender: alice, type: 'm.room.message', content: { msgtype: 'm.text', body } }))
  for (let start = 0; start < messages.length; start += 500) {
    await api.queue.enqueue(roomId, async (draft) => {
      for (const message of messages.slice(start, start + 500)) await api.sender.sendIn(draft, message)
    })
  }
}

describe('a search', () => {
  test('finds words and what begins with them, whole words first, in any script', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    for (const body of ['kettles are hot', 'a kettle is', 'ketchup', '東京都に住む', 'नमस्ते दुनिया', 'Ｆｕｌｌ width', 'a1 b2'])
      await api.send(alice, roomId, body)
    expect(await find(api, alice, 'kettle')).toEqual(['a kettle is', 'kettles are hot'])
    expect(await find(api, alice, 'ket')).toHaveLength(3)
    expect(await find(api, alice, 'ettle')).toEqual([])
    expect(await find(api, alice, '京都')).toEqual(['東京都に住む'])
    expect(await find(api, alice, '都')).toEqual(['東京都に住む'])
    expect(await find(api, alice, '京住')).toEqual([])
    expect(await find(api, alice, 'दुनिया')).toEqual(['नमस्ते दुनिया'])
    expect(await find(api, alice, 'FULL')).toEqual(['Ｆｕｌｌ width'])
    expect(await find(api, alice, 'a')).toEqual(['a kettle is'])
    expect(await find(api, alice, '"!?')).toEqual([])
  })

  test('goes by what a message says since its last edit, and shows the message with it', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const original = await api.send(alice, roomId, 'we eat cake')
    const edit = (user: string, body: string) =>
      api.send(user, roomId, `* ${body}`, {
        'm.new_content': { msgtype: 'm.text', body },
        'm.relates_to': { rel_type: 'm.replace', event_id: original },
      })
    await edit(alice, 'we eat bread')
    await api.clock.run(1000)
    const last = await edit(alice, 'we eat pie')
    await edit(bob, 'we eat worms')
    const [shown] = eventsOf(await search(api, alice, { search_term: 'pie' }))
    expect(shown?.event_id).toBe(original)
    expect(at(shown, 'unsigned', 'm.relations', 'm.replace', 'event_id')).toBe(last)
    expect(await find(api, alice, 'eat pie')).toEqual(['we eat cake'])
    for (const word of ['cake', 'bread']) expect(await find(api, alice, word)).toEqual([])
    await api.put(alice, `${path(roomId)}/redact/${encode(last)}/1`, {})
    expect([await find(api, alice, 'pie'), await find(api, alice, 'bread')]).toEqual([[], ['we eat cake']])
    await api.put(alice, `${path(roomId)}/redact/${encode(original)}/2`, {})
    for (const word of ['cake', 'bread', 'pie']) expect(await find(api, alice, word)).toEqual([])
  })

  test('covers rooms that were left, up to then, and none that are encrypted or forgotten', async () => {
    const api = await openClientApi()
    const [left, forgotten, encrypted] = [await api.createRoom(bob), await api.createRoom(bob), await api.createRoom(bob)]
    for (const roomId of [left, forgotten, encrypted]) {
      await api.post(bob, `${path(roomId)}/invite`, { user_id: alice })
      await api.join(alice, roomId)
      await api.send(bob, roomId, 'needle before')
    }
    expect(await find(api, alice, 'needle')).toHaveLength(3)
    await api.put(bob, `${path(encrypted)}/state/m.room.encryption`, { algorithm: 'm.megolm.v1.aes-sha2' })
    for (const roomId of [left, forgotten]) await api.post(alice, `${path(roomId)}/leave`)
    await api.post(alice, `${path(forgotten)}/forget`)
    await api.send(bob, left, 'needle after')
    expect(await find(api, alice, 'needle')).toEqual(['needle before'])
    expect(await find(api, alice, 'needle', { filter: { not_rooms: [left] } })).toEqual([])
    expect(await find(api, bob, 'needle')).toHaveLength(3)
  })

  test('neither shows nor counts what its user may not see', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(bob, { preset: 'public_chat', initial_state: [joinedOnly] })
    await api.send(bob, roomId, 'needle before')
    await api.join(alice, roomId)
    await api.send(bob, roomId, 'needle after')
    const result = await search(api, alice, { search_term: 'needle' })
    expect([said(eventsOf(result)), at(result, 'count')]).toEqual([['needle after'], 1])
    await api.accountData.set(alice, '', { type: 'm.ignored_user_list', content: { ignored_users: { [bob]: {} } } })
    expect(at(await search(api, alice, { search_term: 'needle' }), 'count')).toBe(0)
    await api.createRoom(bob, { name: 'needle of a stranger' })
    expect(await find(api, alice, 'stranger')).toEqual([])
  })

  test('looks into names, topics and their plain text by key', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'pin one' })
    const topic = { topic: 'pin two', 'm.topic': { 'm.text': [{ mimetype: 'text/html', body: 'pin four' }, { body: 'pin three' }] } }
    await api.put(alice, `${path(roomId)}/state/m.room.topic`, topic)
    await api.send(alice, roomId, 'pin five')
    expect(await find(api, alice, 'pin', { keys: ['content.name'] })).toEqual(['m.room.name'])
    expect(await find(api, alice, 'three', { keys: ['content.topic'] })).toEqual(['m.room.topic'])
    expect(await find(api, alice, 'two')).toEqual(['m.room.topic'])
    expect(await find(api, alice, 'four')).toEqual([])
    expect(await find(api, alice, 'pin', { keys: ['content.body'] })).toEqual(['pin five'])
  })
})

describe('the index of search', () => {
  const many = Array.from({ length: 2_300 }, (_, i) => `message ${i} ${i % 100 === 7 ? 'rare' : 'common'}`)

  test('is read in place of the history, also by a later start, and finds all of it', async () => {
    const storage = new CountingStorage()
    const first = await openClientApi({ storage })
    const roomId = await first.createRoom(alice)
    await say(first, roomId, many)
    const rare = many.filter((body) => body.endsWith('rare')).toReversed()
    const wish = { order_by: 'recent', filter: { limit: 100 } }
    // They were sent in the same instant: the later ones came later.
    expect(await find(first, alice, 'rare message', wish)).toEqual(rare)
    storage.rows = 0
    expect(await find(first, alice, 'rare', wish)).toEqual(rare)
    expect(storage.rows).toBe(0)
    const later = await openClientApi({ storage })
    storage.rows = 0
    expect(await find(later, alice, 'rare', wish)).toEqual(rare)
    expect(storage.rows).toBeLessThan(1_000)
    await say(later, roomId, ['rare again'])
    expect((await find(later, alice, 'rare', wish)).slice(0, 2)).toEqual(['rare again', rare[0]])
  })

  test('that takes long is not waited for without end', async () => {
    const storage = new CountingStorage()
    const api = await openClientApi({ storage })
    const roomId = await api.createRoom(alice)
    await say(api, roomId, ['needle'])
    const gate = Promise.withResolvers<void>()
    storage.gate = gate.promise
    const answer = find(api, alice, 'needle')
    await api.clock.run(30_000)
    expect(await answer).toEqual([])
    gate.resolve()
    expect(await find(api, alice, 'needle')).toEqual(['needle'])
  })

  test('gives back every document of a block that has all words, and no other', async () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '東', '京', ' ', '_', '1', '.', '😀'), maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(fc.array(letters, { maxLength: 12 }), letters, async (texts, term) => {
        const documents = texts.map((text, position) => ({
          position,
          roomId: `!${position % 3}`,
          key: 'content.body' as const,
          length: Math.max(1, text.length),
          ts: position,
          words: wordsOfText(text),
        }))
        const words = wordsOfTerm(term)
        fc.pre(words.length > 0)
        const storage = new MemoryStorage()
        await storage.commit(blockWrites(5, documents.slice(0, 5)))
        await storage.commit(blockWrites(20, documents.slice(5)))
        const query = { words, keys: new Set(['content.body' as const]), isWanted: (roomId: string) => roomId !== '!2' }
        const blocks = await blocksBefore(storage, undefined, words)
        const found = blocks.flatMap((block) => foundInBlock(block, query)).map(({ position }) => position)
        const expected = documents.filter(
          ({ roomId, words: has }) => roomId !== '!2' && words.every((wanted) => [...has].some((word) => isFoundBy(word, wanted))),
        )
        expect(found.sort((a, b) => a - b)).toEqual(expected.map(({ position }) => position))
      }),
      { numRuns: 300 },
    )
  })
})
