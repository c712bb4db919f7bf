import fc from 'fast-check'
import { isObject, type JsonObject, type JsonValue } from '../../../src/spec/json.ts'
import { hostileBody, hostileSegment, hostileValue } from './hostile-values.ts'

/** A request as the fuzzer changes it: the parts of its URL are already encoded. */
export interface Fuzzed {
  /** The parameters of the path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: readonly (readonly [string, string])[]
  readonly body: JsonValue | Uint8Array<ArrayBuffer> | undefined
  readonly headers: Readonly<Record<string, string>>
}

export type Mutation = (request: Fuzzed) => Fuzzed

/** A number of a wait: what a fuzzer makes of it must not make the test wait. */
const isWait = (name: string): boolean => name.startsWith('timeout')

const inPath = fc.tuple(fc.nat(), hostileSegment).map(
  ([pick, value]): Mutation =>
    (request) => {
      const name = chosen(Object.keys(request.params), pick)
      return name === undefined ? request : { ...request, params: { ...request.params, [name]: value } }
    },
)

const queryNames = [
  'limit',
  'from',
  'since',
  'dir',
  'filter',
  'version',
  'via',
  'ts',
  'v',
  'width',
  'user_id',
  'access_token_',
  '__proto__',
  'at',
  'to',
]

const inQuery = fc
  .tuple(fc.nat(), fc.constantFrom(...queryNames), hostileSegment, fc.constantFrom('replace', 'add', 'remove', 'repeat'))
  .map(
    ([pick, other, value, how]): Mutation =>
      (request) => {
        const name = chosen(
          request.query.map(([each]) => each).filter((each) => !isWait(each)),
          pick,
        )
        if (how === 'add' || name === undefined) return { ...request, query: [...request.query, [other, value]] }
        const rest = request.query.filter(([each]) => each !== name)
        if (how === 'remove') return { ...request, query: rest }
        return { ...request, query: how === 'repeat' ? [...request.query, [name, value]] : [...rest, [name, value]] }
      },
  )

const inBody = fc.tuple(fc.nat(), hostileValue, fc.constantFrom('replace', 'replace', 'remove', 'add', 'wrap')).map(
  ([pick, value, how]): Mutation =>
    (request) => {
      const { body } = request
      if (body instanceof Uint8Array || body === undefined) return request
      const paths = pathsOf(body)
      return { ...request, body: changed(body, paths[pick % paths.length] ?? [], (old) => substitute(old, value, how)) }
    },
)

const wholeBody = hostileBody.map(
  (body): Mutation =>
    (request) => ({ ...request, body }),
)

const truncated = fc.nat().map(
  (pick): Mutation =>
    (request) => {
      if (request.body === undefined) return request
      const bytes = request.body instanceof Uint8Array ? request.body : new TextEncoder().encode(JSON.stringify(request.body))
      return { ...request, body: bytes.slice(0, pick % (bytes.byteLength + 1)) }
    },
)

const inHeaders = fc
  .constantFrom<Record<string, string>>(
    { 'content-type': 'text/plain' },
    { 'content-type': '' },
    { 'content-type': 'a/b; charset=\u00ff' },
    { 'content-encoding': 'gzip' },
    { range: 'bytes=0-' },
  )
  .map(
    (headers): Mutation =>
      (request) => ({ ...request, headers: { ...request.headers, ...headers } }),
  )

/** One to three changes to a request. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: inPath },
    { weight: 3, arbitrary: inQuery },
    { weight: 8, arbitrary: inBody },
    { weight: 2, arbitrary: wholeBody },
    { weight: 1, arbitrary: truncated },
    { weight: 1, arbitrary: inHeaders },
  ),
  { minLength: 1, maxLength: 3 },
)

function chosen(names: readonly string[], pick: number): string | undefined {
  return names[pick % Math.max(1, names.length)]
}

type Path = readonly (string | number)[]

function pathsOf(value: JsonValue, path: Path = []): Path[] {
  const parts: [string | number, JsonValue][] = Array.isArray(value) ? [...value.entries()] : isObject(value) ? Object.entries(value) : []
  return [path, ...parts.flatMap(([key, part]) => (isWait(String(key)) ? [] : pathsOf(part, [...path, key])))]
}

/** What takes the place of a value; `undefined` for nothing. */
function substitute(old: JsonValue, value: JsonValue, how: string): JsonValue | undefined {
  if (how === 'remove') return undefined
  if (how === 'wrap') return [old]
  if (how === 'add' && isObject(old) && typeof value === 'string') return withKey(old, value, old)
  return value
}

function changed(value: JsonValue, [key, ...rest]: Path, change: (old: JsonValue) => JsonValue | undefined): JsonValue {
  if (key === undefined) return change(value) ?? {}
  if (Array.isArray(value)) {
    return value.flatMap((each, index) => {
      if (index !== key) return [each]
      const now = rest.length === 0 ? change(each) : changed(each, rest, change)
      return now === undefined ? [] : [now]
    })
  }
  if (!isObject(value)) return value
  const old = value[String(key)] ?? null
  const now = rest.length === 0 ? change(old) : changed(old, rest, change)
  const others = Object.fromEntries(Object.entries(value).filter(([each]) => each !== key))
  return now === undefined ? others : withKey(others, String(key), now)
}

/** With a key of its own, whatever it is called. */
function withKey(object: JsonObject, key: string, value: JsonValue): JsonObject {
  return Object.fromEntries([...Object.entries(object), [key, value]])
}
