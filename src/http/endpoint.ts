import * as v from 'valibot'
import type { Write } from '../ports/storage.ts'
import { badJson, invalidParam, missingParam } from '../spec/errors.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'

/** What an account may do beside the ordinary, and what it may not. */
export interface AccountStanding {
  readonly admin: boolean
  readonly guest: boolean
  readonly locked: boolean
  readonly suspended: boolean
}

/** Who makes a client's request: an access token resolved. */
export interface Session extends AccountStanding {
  readonly userId: UserId
  readonly deviceId: string
  /** The key of the token's row: what logging out removes. */
  readonly tokenHash: string
  /** The OAuth client that has the token; absent where it comes from the legacy API. */
  readonly oauthClientId?: string
}

/**
 * The writes that keep an answer for a repeat of the request, which gets it and has no second effect: they belong into the
 * commit of the effect. None where the request is of a kind that nobody repeats.
 */
export type KeepAnswer = (answer: JsonObject) => readonly Write[]

/** Where a request comes from. */
export interface RequestOrigin {
  /** The page of this origin itself, or a server this homeserver's owner runs: may register accounts. */
  readonly trusted: boolean
  /** What rate limits count by. */
  readonly address: string
  /** The request target exactly as it was sent, where that is known: what a federation signature covers. */
  readonly uri?: string
  /** Given where a repeat of the request is known as one. */
  readonly keep?: KeepAnswer
}

/** What a handler is given. `body` and `query` have passed the endpoint's schema, and are the raw objects themselves. */
export interface Call<Body, Query> {
  /** Path parameters, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  readonly request: Request
  readonly origin: RequestOrigin
  readonly signal: AbortSignal
  /** For what is not idempotent and has no transaction id of its own. */
  readonly keep: KeepAnswer
}

/** A handler answers with JSON (status 200) or with a whole response; failures are thrown as `MatrixError`. */
export type Answer = JsonObject | JsonValue[] | Response

interface Shape<Body, Query> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH'
  /** `/_matrix/client/v3/rooms/:roomId/leave`; several where old versions are served as well. */
  readonly path: string | readonly string[]
  /** Checks the raw JSON body; without it the body is not read as JSON. */
  readonly body?: v.GenericSchema<unknown, Body>
  /** Checks the query: an object of strings, or of arrays of strings for the names in `repeated`. */
  readonly query?: v.GenericSchema<unknown, Query>
  readonly repeated?: readonly string[]
  /** Bytes of body accepted; 1 MiB unless told. */
  readonly bodyLimit?: number
  /** How deep its JSON may nest; 100 unless told. Events of other servers may nest deeper than what clients send. */
  readonly nestingLimit?: number
}

/** An endpoint as the router sees it: data, and how to run it once it is known who asks. */
export interface Endpoint extends Shape<unknown, unknown> {
  readonly access: 'public' | 'user' | 'optional-user' | 'server'
  readonly run: (call: Call<unknown, unknown>, caller: Caller) => Promise<Answer> | Answer
}

/** Who asks, as far as the endpoint's `access` established it. */
export interface Caller {
  readonly session?: Session
  readonly server?: ServerName
}

/** An endpoint that needs no account. */
export function open<Body, Query>(
  shape: Shape<Body, Query> & { readonly handle: (call: Call<Body, Query>) => Promise<Answer> | Answer },
): Endpoint {
  return { ...shape, access: 'public', run: (call) => shape.handle(checked(shape, call)) }
}

/** An endpoint for a logged-in user. */
export function forUser<Body, Query>(
  shape: Shape<Body, Query> & { readonly handle: (call: Call<Body, Query> & { readonly session: Session }) => Promise<Answer> | Answer },
): Endpoint {
  return {
    ...shape,
    access: 'user',
    run: (call, { session }) => {
      if (!session) throw new Error('the router let a request through without a session')
      return shape.handle({ ...checked(shape, call), session })
    },
  }
}

/** An endpoint that serves anyone, and knows a logged-in user. */
export function forAnyone<Body, Query>(
  shape: Shape<Body, Query> & {
    readonly handle: (call: Call<Body, Query> & { readonly session: Session | undefined }) => Promise<Answer> | Answer
  },
): Endpoint {
  return { ...shape, access: 'optional-user', run: (call, { session }) => shape.handle({ ...checked(shape, call), session }) }
}

/** An endpoint for another homeserver, whose signature of the request was verified. */
export function forServer<Body, Query>(
  shape: Shape<Body, Query> & { readonly handle: (call: Call<Body, Query> & { readonly server: ServerName }) => Promise<Answer> | Answer },
): Endpoint {
  return {
    ...shape,
    access: 'server',
    run: (call, { server }) => {
      if (server === undefined) throw new Error('the router let a request through without a server')
      return shape.handle({ ...checked(shape, call), server })
    },
  }
}

function checked<Body, Query>(shape: Shape<Body, Query>, call: Call<unknown, unknown>): Call<Body, Query> {
  const { body, query } = call
  // To a validator an array is an object as well.
  if (shape.body && !isObject(body)) throw badJson('The body is not a JSON object')
  assertShape(shape.body, body, badJson)
  assertShape(shape.query, query, invalidParam)
  return { ...call, body, query }
}

// The raw value is narrowed in place: a validator's output may drop keys, and would change an event's hash.
function assertShape<T>(
  schema: v.GenericSchema<unknown, T> | undefined,
  value: unknown,
  wrong: (message: string) => Error,
): asserts value is T {
  if (!schema) return
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (result.success) return
  const issue = result.issues[0]
  const path = v.getDotPath(issue)
  if (path && issue.received === 'undefined') throw missingParam(`${path} is missing`)
  throw wrong(path ? `${path}: ${issue.message}` : issue.message)
}
