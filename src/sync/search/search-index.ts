import type { Clock } from '../../ports/clock.ts'
import type { Storage } from '../../ports/storage.ts'
import { events } from '../../storage/tables/rooms.ts'
import { searchBlocks } from '../../storage/tables/search.ts'
import type { Position, Stream } from '../../streams/stream.ts'
import { Turns } from '../../streams/turns.ts'
import { blocksBefore, blockWrites, foundInBlock } from './blocks.ts'
import { type Candidate, documentOf, type IndexQuery, type SearchDocument } from './document.ts'
import { isFoundBy, weightOf } from './words.ts'

interface SearchIndexDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly clock: Clock
}

const chunkSize = 1_000
/** Documents after which a block is closed. */
const blockDocuments = 1_000
/** Events after which a block is closed, however few documents are among them. */
const blockEvents = 5_000
/** Documents that one search finds. */
const candidateLimit = 20_000
/** How long a search waits for the index to be brought up to date; after that it answers with what there is. */
const waitMs = 20_000

/**
 * An inverted index of what was said. It follows the log when somebody searches, so that sending costs nothing: whole blocks
 * of events go to storage, what came after the last block is kept in memory and searched there.
 */
export class SearchIndex {
  readonly #deps: SearchIndexDeps
  readonly #turns = new Turns()
  /** Up to where the log was read; unknown until the first search. */
  #readUpTo: Position | undefined
  #recent: SearchDocument[] = []
  #recentEvents = 0

  constructor(deps: SearchIndexDeps) {
    this.#deps = deps
  }

  /** The documents in which all words occur, the newest block first. */
  async find(query: IndexQuery): Promise<Candidate[]> {
    await this.#catchUp()
    const found = this.#recent.flatMap((document) => candidateOf(document, query))
    for (let before: Position | undefined; ; ) {
      const blocks = await blocksBefore(this.#deps.storage, before, query.words)
      for (const block of blocks) found.push(...foundInBlock(block, query))
      before = blocks.at(-1)?.key
      if (before === undefined || found.length >= candidateLimit) return found.slice(0, candidateLimit)
    }
  }

  async #catchUp(): Promise<void> {
    const { clock } = this.#deps
    const enough = new AbortController()
    const upToDate = this.#turns.take('follow', () => this.#follow())
    await Promise.race([upToDate, clock.sleep(waitMs, enough.signal)]).finally(() => enough.abort())
    // What goes on after this answer is of use to the next search; should it fail, that one will be told.
    upToDate.catch(() => undefined)
  }

  async #follow(): Promise<void> {
    const { storage, stream } = this.#deps
    this.#readUpTo ??= (await storage.read([searchBlocks], (tx) => tx.range(searchBlocks, { reverse: true, limit: 1 })))[0]?.[0] ?? 0
    for (const upTo = stream.current; this.#readUpTo < upTo; ) {
      const after: Position = this.#readUpTo
      const rows = await storage.read([events], (tx) => tx.range(events, { after, to: upTo, limit: chunkSize }))
      for (const [position, stored] of rows) this.#recent.push(...[documentOf(position, stored) ?? []].flat())
      this.#recentEvents += rows.length
      this.#readUpTo = rows.length < chunkSize ? upTo : (rows.at(-1)?.[0] ?? upTo)
      if (this.#recent.length >= blockDocuments || this.#recentEvents >= blockEvents) await this.#closeBlock(this.#readUpTo)
    }
  }

  async #closeBlock(key: Position): Promise<void> {
    const closed = this.#recent
    await this.#deps.storage.commit(blockWrites(key, closed), 'relaxed')
    this.#recent = []
    this.#recentEvents = 0
  }
}

function candidateOf({ words, ...head }: SearchDocument, query: IndexQuery): Candidate[] {
  if (!query.isWanted(head.roomId) || !query.keys.has(head.key)) return []
  let share = 0
  for (const wanted of query.words) {
    const lengths = Array.from(words).flatMap((word) => (isFoundBy(word, wanted) ? word.length : []))
    if (lengths.length === 0) return []
    share += weightOf(wanted, Math.min(...lengths))
  }
  return [{ ...head, rank: share / head.length }]
}
