import { table } from '../../ports/storage.ts'
import type { RoomId } from '../../spec/event.ts'

/** Documents of a stretch of the log that search has been through. */
export interface SearchBlock {
  readonly rooms: readonly RoomId[]
  /** Five numbers for each document: see `SearchBlocks`. */
  readonly documents: readonly number[]
}

/** Position up to which a block goes, from the end of the one before it → its documents. */
export const searchBlocks = table<number, SearchBlock>('search_blocks')
/** [bucket, block] → the words of the bucket's documents: lines of a word and the numbers of its documents in the block. */
export const searchWords = table<readonly [number, number], string>('search_words')

export const searchTables = { searchBlocks, searchWords }
