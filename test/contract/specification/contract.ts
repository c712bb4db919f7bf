import type { Handler } from '../../../src/http/router.ts'
import type { JsonValue } from '../../../src/spec/json.ts'
import type { ApiName } from './documents.ts'
import { eventFaults } from './event-schemas.ts'
import { answersJson, requestFaults, responseFaults } from './operation-schemas.ts'
import { type Operation, operationsOf } from './operations.ts'

/** Where the OpenAPI contradicts the specification's own text, or what all homeservers do. */
const errata: readonly RegExp[] = [
  // Events once named their origin; the formats of events in the same OpenAPI have no such field, and no homeserver sends it.
  /^(body )?(\/event)? must have required property 'origin'/,
]

/**
 * Watches a handler from the outside: every response, and every request that succeeded, is held against the OpenAPI of the
 * specification. Requests that are refused may well be wrong: tests make them so.
 */
export class Contract {
  /** What was broken: the request, and how. */
  readonly violations: string[] = []
  /** The statuses that each operation was answered with. */
  readonly seen = new Map<string, Set<number>>()
  readonly #operations: readonly (readonly [Operation, RegExp])[]

  constructor(api: ApiName) {
    this.#operations = operationsOf(api)
      .map((operation): [Operation, RegExp] => [operation, patternOf(operation.path)])
      // The path with fewer parameters first.
      .sort(([a], [b]) => a.path.split('{').length - b.path.split('{').length)
  }

  /** `handle`, watched. */
  watch(handle: Handler): Handler {
    return async (request, origin) => {
      // Not a clone: a body that is read twice cannot be given up by one reader alone.
      const body = await request.arrayBuffer()
      const copy = () => new Request(request, { signal: request.signal, ...(body.byteLength === 0 ? {} : { body }) })
      const response = await handle(copy(), origin)
      await this.#check(copy(), response.clone(), origin.uri)
      return response
    }
  }

  async #check(request: Request, response: Response, uri: string | undefined): Promise<void> {
    const { pathname, search } = new URL(request.url)
    const operation = this.#operations.find(([{ method }, pattern]) => method === request.method && pattern.test(pathname))?.[0]
    if (!operation) return
    const { status } = response
    // Operations that share method and path are one endpoint.
    for (const [{ name, method, path }] of this.#operations)
      if (method === operation.method && path === operation.path) this.seen.set(name, (this.seen.get(name) ?? new Set()).add(status))
    const broken = await this.#faults(operation, { request, response, uri: uri ?? pathname + search })
    for (const fault of broken)
      if (!errata.some((known) => known.test(fault))) this.violations.push(`${operation.name} → ${status}: ${fault}`)
  }

  async #faults(operation: Operation, call: { request: Request; response: Response; uri: string }): Promise<string[]> {
    const { request, response, uri } = call
    const asked = response.ok ? requestFaults(operation, { uri, body: await bodyOf(request) }) : []
    if (response.status >= 300 && response.status < 400) return asked
    if (!answersJson(operation, response.status)) return asked
    const type = response.headers.get('content-type')
    if (type !== 'application/json') return [...asked, `it is not JSON but ${type}`]
    const body: JsonValue = await response.json()
    return [...asked, ...responseFaults(operation, response.status, body), ...eventFaults(body)]
  }
}

function patternOf(path: string): RegExp {
  const literal = path.split(/\{\w+\}/).map((part) => part.replaceAll('.', '\\.'))
  return new RegExp(`^${literal.join('[^/]*')}$`)
}

async function bodyOf(request: Request): Promise<JsonValue | undefined> {
  const text = await request.text()
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
