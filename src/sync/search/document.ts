import { currentPdu } from '../../rooms/current-content.ts'
import { plainTopic } from '../../rooms/room-overview.ts'
import type { RoomId } from '../../spec/event.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import type { StoredEvent } from '../../storage/tables/rooms.ts'
import { wordsOfText } from './words.ts'

/** The keys that may be searched (Client-Server API, "Server Side Search"), in the order of their numbers in the index. */
export const searchKeys = ['content.body', 'content.name', 'content.topic'] as const
export type SearchKey = (typeof searchKeys)[number]

/** What is known of a document without its event. */
export interface DocumentHead {
  readonly position: number
  readonly roomId: RoomId
  readonly key: SearchKey
  /** UTF-16 units of its text. */
  readonly length: number
  /** `origin_server_ts`, ms. */
  readonly ts: number
}

/** An event by the text in which it is searched. */
export interface SearchDocument extends DocumentHead {
  readonly words: ReadonlySet<string>
}

/** A document in which all words were found. */
export interface Candidate extends DocumentHead {
  /** The share of its text that the words make up. */
  readonly rank: number
}

/** What is looked for, and where. */
export interface IndexQuery {
  readonly words: readonly string[]
  readonly keys: ReadonlySet<SearchKey>
  readonly isWanted: (roomId: RoomId) => boolean
}

/** An event as search sees it, if there is anything to search in it. */
export function documentOf(position: number, stored: StoredEvent): SearchDocument | undefined {
  if (stored.status !== 'accepted') return undefined
  const { type, content, origin_server_ts: ts } = currentPdu({ stored })
  const found = isObject(content) ? textOf(type, content) : undefined
  if (!found) return undefined
  const words = wordsOfText(found.text)
  if (words.size === 0) return undefined
  return { position, roomId: stored.roomId, key: found.key, length: found.text.length, ts: Number(ts), words }
}

function textOf(type: unknown, content: JsonObject): { readonly key: SearchKey; readonly text: string } | undefined {
  switch (type) {
    case 'm.room.message':
      return withText('content.body', editedContent(content).body)
    case 'm.room.name':
      return withText('content.name', content.name)
    case 'm.room.topic':
      return withText('content.topic', [...new Set([content.topic, plainTopic(content)])].filter(isText).join(' '))
    default:
      return undefined
  }
}

/** What an edit makes of its message; of any other event, its own content. */
function editedContent(content: JsonObject): JsonObject {
  const { 'm.new_content': edited, 'm.relates_to': relation } = content
  return isObject(edited) && isObject(relation) && relation.rel_type === 'm.replace' ? edited : content
}

function withText(key: SearchKey, text: unknown) {
  return isText(text) ? { key, text } : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
