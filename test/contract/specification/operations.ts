import { isObject, type JsonObject, type JsonValue } from '../../../src/spec/json.ts'
import { type ApiName, apiDocuments, type SpecificationDocument } from './documents.ts'

/** One operation of the specification. */
export interface Operation {
  /** `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}` */
  readonly name: string
  readonly method: string
  readonly path: string
  /** The part of the specification that it belongs to. */
  readonly module: string
  readonly definition: JsonObject
  /** Where its definition is: the file's URL, and a JSON pointer in it. */
  readonly at: { readonly document: SpecificationDocument; readonly pointer: string }
}

/** Operations that share method and path with another, told apart by what is asked. */
const variants: ReadonlySet<string> = new Set(['inviteBy3PID', 'peekEvents'])

/** All operations of an API, by name. */
export function operationsOf(api: ApiName): Operation[] {
  return apiDocuments(api)
    .flatMap((document) => operationsIn(document, api))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function operationsIn(document: SpecificationDocument, api: ApiName): Operation[] {
  const { paths, servers } = document.content
  const base = at(servers, '0', 'variables', 'basePath', 'default')
  const prefix = typeof base === 'string' && base !== '/' ? base : ''
  return entries(paths).flatMap(([path, methods]) =>
    entries(methods).flatMap(([verb, definition]) => {
      const method = verb.toUpperCase()
      const full = `${prefix}${path.trimEnd()}`
      const id = String(at(definition, 'operationId'))
      const apart = variants.has(id) ? ` (${id})` : ''
      const module = api === 'client-server' ? moduleOf(document, definition) : titleOf(document)
      const pointer = `/paths/${escaped(path)}/${verb}`
      return isObject(definition)
        ? [{ name: `${method} ${full}${apart}`, method, path: full, module, definition, at: { document, pointer } }]
        : []
    }),
  )
}

function moduleOf(document: SpecificationDocument, definition: JsonValue): string {
  const tag = at(definition, 'tags', '0')
  return typeof tag === 'string' ? tag : titleOf(document)
}

function titleOf({ content }: SpecificationDocument): string {
  return String(at(content, 'info', 'title'))
    .replace(/^Matrix (Client-Server|Federation) /, '')
    .replace(/ API$/, '')
    .replace(/ \(v\d\)/, '')
    .replace(/ for Third-party Lookup$/, '')
    .replace(/^./, (letter) => letter.toUpperCase())
}

/** The value at a path of keys; `undefined` where there is none. */
export function at(value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>(
    (found, key) => (Array.isArray(found) ? found[Number(key)] : isObject(found) ? found[key] : undefined),
    value,
  )
}

/** The parts of an object or a list, with their keys. */
export function entries(value: JsonValue | undefined): [string, JsonValue][] {
  return isObject(value) || Array.isArray(value) ? Object.entries(value) : []
}

/** A key as a part of a JSON pointer that is a URL's fragment. */
export function escaped(key: string): string {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))
}
