import { put, type Storage, type Write } from '../../ports/storage.ts'
import { type SearchBlock, searchBlocks, searchWords } from '../../storage/tables/search.ts'
import type { Position } from '../../streams/stream.ts'
import { type Candidate, type IndexQuery, type SearchDocument, searchKeys } from './document.ts'
import { isFoundBy, weightOf } from './words.ts'

/** A block as a search reads it: its documents, and the words in the buckets that matter. */
interface ReadBlock extends SearchBlock {
  readonly key: Position
  readonly words: ReadonlyMap<number, string>
}

/** Numbers of one document: position, room, key, length, time. */
const stride = 5
/** Words are kept together by how they begin: a block has at most this many rows of them. */
const bucketCount = 128
/** Blocks that are read together. */
const blocksAtOnce = 50

/** What writes a block of documents. Their words go by the number of the document in the block. */
export function blockWrites(key: Position, documents: readonly SearchDocument[]): Write[] {
  const rooms = [...new Set(documents.map(({ roomId }) => roomId))]
  const roomNumbers = new Map(rooms.map((roomId, number) => [roomId, number]))
  const buckets = new Map<number, Map<string, string[]>>()
  for (const [number, { words }] of documents.entries()) {
    for (const word of words) {
      const bucket = entryOf(buckets, bucketOf(word), () => new Map<string, string[]>())
      entryOf(bucket, word, (): string[] => []).push(number.toString(36))
    }
  }
  const heads = documents.flatMap(({ position, roomId, key, length, ts }) => [
    position,
    roomNumbers.get(roomId) ?? 0,
    searchKeys.indexOf(key),
    length,
    ts,
  ])
  return [
    put(searchBlocks, key, { rooms, documents: heads }),
    ...Array.from(buckets, ([bucket, words]) => put(searchWords, [bucket, key], linesOf(words))),
  ]
}

/** The newest blocks that end before a position, with what they say to the words. */
export async function blocksBefore(storage: Storage, before: Position | undefined, words: readonly string[]): Promise<ReadBlock[]> {
  const buckets = [...new Set(words.map(bucketOf))]
  return storage.read([searchBlocks, searchWords], async (tx) => {
    const range = { ...(before === undefined ? {} : { before }), reverse: true, limit: blocksAtOnce }
    const blocks = await tx.range(searchBlocks, range)
    const [newest] = blocks[0] ?? []
    const [oldest] = blocks.at(-1) ?? []
    if (newest === undefined || oldest === undefined) return []
    const rows = await Promise.all(buckets.map((bucket) => tx.range(searchWords, { from: [bucket, oldest], to: [bucket, newest] })))
    const byBlock = Map.groupBy(rows.flat(), ([[, key]]) => key)
    return blocks.map(([key, block]) => ({
      ...block,
      key,
      words: new Map((byBlock.get(key) ?? []).map(([[bucket], lines]) => [bucket, lines])),
    }))
  })
}

/** The documents of a block in which all words occur. */
export function foundInBlock(block: ReadBlock, { words, keys, isWanted }: IndexQuery): Candidate[] {
  let shares: Map<number, number> | undefined
  for (const wanted of words) {
    const found = [...lengthsIn(block.words.get(bucketOf(wanted)) ?? '', wanted)]
    const before = shares
    shares = new Map(
      found.flatMap(([number, length]): [number, number][] => {
        const share = before ? before.get(number) : 0
        return share === undefined ? [] : [[number, share + weightOf(wanted, length)]]
      }),
    )
    if (shares.size === 0) return []
  }
  const wantedRooms = block.rooms.map(isWanted)
  return [...(shares ?? [])].flatMap(([number, share]) => {
    const [position = 0, room = 0, keyNumber = 0, length = 1, ts = 0] = block.documents.slice(number * stride, (number + 1) * stride)
    const key = searchKeys[keyNumber]
    const roomId = block.rooms[room]
    if (key === undefined || roomId === undefined || !keys.has(key) || !wantedRooms[room]) return []
    return [{ position, roomId, key, length, ts, rank: share / length }]
  })
}

/** The documents in which a word is found, with the length of the shortest word that it was found in. */
function lengthsIn(lines: string, wanted: string): Map<number, number> {
  const lengths = new Map<number, number>()
  for (let at = lines.indexOf(`\n${wanted}`); at !== -1; ) {
    const end = lines.indexOf('\n', at + 1)
    const [word = '', ...numbers] = lines.slice(at + 1, end).split(' ')
    if (isFoundBy(word, wanted)) {
      for (const digits of numbers) {
        const number = Number.parseInt(digits, 36)
        lengths.set(number, Math.min(word.length, lengths.get(number) ?? word.length))
      }
    }
    at = lines.indexOf(`\n${wanted}`, end)
  }
  return lengths
}

/** Each line begins with a line break, and the last one ends with one. */
function linesOf(words: ReadonlyMap<string, readonly string[]>): string {
  return `${Array.from(words, ([word, numbers]) => `\n${word} ${numbers.join(' ')}`).join('')}\n`
}

/** The bucket of a word, by its first two units: words that begin alike are together. */
function bucketOf(word: string): number {
  return (word.charCodeAt(0) * 31 + (word.length > 1 ? word.charCodeAt(1) : 0)) % bucketCount
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
