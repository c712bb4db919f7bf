import { isObject, type JsonObject, type JsonValue } from '../../../src/spec/json.ts'
import { documentAt, eventSchemaUrls } from './documents.ts'
import { at } from './operations.ts'
import { faults } from './schemas.ts'

let urls: ReadonlyMap<string, string> | undefined

/** What the events in a response, however deep in it, break of the schemas of their types. */
export function eventFaults(value: JsonValue | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap(eventFaults)
  if (!isObject(value)) return []
  const inner = Object.values(value).flatMap(eventFaults)
  return isEvent(value) ? [...inner, ...contentFaults(value)] : inner
}

function isEvent(value: JsonObject): value is JsonObject & { type: string; content: JsonObject } {
  return typeof value.type === 'string' && isObject(value.content)
}

function contentFaults({ type, content, unsigned }: JsonObject & { type: string; content: JsonObject }): string[] {
  if (at(unsigned, 'redacted_because') !== undefined) return []
  urls ??= eventSchemaUrls()
  const msgtype = typeof content.msgtype === 'string' ? `${type}$${content.msgtype}` : type
  const url = urls.get(msgtype) ?? urls.get(type)
  if (url === undefined || at(documentAt(url), 'properties', 'content') === undefined) return []
  return faults(content, `${url}#/properties/content`).map((fault) => `${type} content${fault}`)
}
