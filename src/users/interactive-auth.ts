import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import { badJson, forbidden, MatrixError } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import type { Accounts } from './accounts.ts'
import { identifiedUser } from './password-login.ts'

/** How long user-interactive authentication may take. */
const sessionLifetimeMs = 15 * 60 * 1000
/** Sessions of user-interactive authentication under way. */
const sessionLimit = 1000

export type Stage = 'm.oauth' | 'm.login.password' | 'm.login.dummy' | 'm.login.registration_token'

/** What an API call asks of who makes it. */
export interface Requirement {
  /** Any one of these, its stages in order. */
  readonly flows: readonly (readonly Stage[])[]
  /** Names the API call: what was shown for one call is worth nothing for another. */
  readonly operation: string
  /** Whose password it takes; without it, any account's, which is then the answer. */
  readonly userId?: UserId
  /** Whether a registration token is valid: needed where a flow has that stage. */
  readonly isRegistrationToken?: (token: string) => Promise<boolean>
  /** Where, instead, the user agrees on the account page, and whether that is done. */
  readonly approval?: { readonly url: string; readonly take: () => Promise<boolean> }
}

/** What a completed flow has shown. */
export interface Proof {
  /** Whose password was given. */
  readonly userId?: UserId
  readonly registrationToken?: string
}

interface AuthSession {
  readonly id: string
  /** What the request that began it asks for. */
  readonly requirement: Requirement
  readonly expiresTs: number
  readonly completed: Stage[]
  proof: Proof
}

/** The 401 that tells a client what to do next; has an `errcode` only once an attempt failed. */
class AuthenticationRequired extends MatrixError {
  readonly #failed: boolean

  constructor(challenge: JsonObject, failure: string | undefined) {
    super(401, 'M_FORBIDDEN', { message: failure ?? 'Authentication required', fields: challenge })
    this.#failed = failure !== undefined
  }

  override body(): JsonObject {
    return this.#failed ? super.body() : this.fields
  }
}

/** User-Interactive Authentication (Client-Server API, "User-Interactive Authentication API"). Sessions live in memory. */
export class InteractiveAuth {
  readonly #clock: Clock
  readonly #random: Random
  readonly #accounts: Accounts
  readonly #sessions = new Map<string, AuthSession>()

  constructor(deps: { clock: Clock; random: Random; accounts: Accounts }) {
    this.#clock = deps.clock
    this.#random = deps.random
    this.#accounts = deps.accounts
  }

  /**
   * Resolves once the `auth` of a request completes a flow, with what that has shown. Otherwise throws
   * {@link AuthenticationRequired}. A session serves one call only.
   */
  async require(auth: JsonValue | undefined, requirement: Requirement): Promise<Proof> {
    if (auth !== undefined && !isObject(auth)) throw badJson('auth is not an object')
    if (auth === undefined) throw challenge(requirement, this.#open(requirement))
    const known = this.#find(auth, requirement)
    if (auth.session !== undefined && !known) throw challenge(requirement, this.#open(requirement), 'Unknown or expired session')
    const session = known ?? this.#open(requirement)
    if (known && (await requirement.approval?.take())) session.completed.push('m.oauth')
    else if (auth.type !== undefined) {
      const failure = await this.#attempt(auth, session)
      if (failure !== undefined) throw challenge(requirement, session, failure)
    }
    const complete = requirement.flows.some((flow) => flow.every((stage) => session.completed.includes(stage)))
    if (!complete) throw challenge(requirement, session)
    this.#sessions.delete(session.id)
    return session.proof
  }

  /** What a session under way asks for, and which stage may be next; `undefined` for a session that is unknown or over. */
  session(id: string): { readonly requirement: Requirement; readonly completed: readonly Stage[] } | undefined {
    return this.#live(id)
  }

  /** Tries a stage away from the request that it is for, as a fallback page does: why it failed, or `undefined`. */
  async attempt(id: string, auth: JsonObject): Promise<string | undefined> {
    const session = this.#live(id)
    if (!session) return 'Unknown or expired session'
    return this.#attempt(auth, session).catch((failure: unknown) => {
      if (failure instanceof MatrixError) return failure.message
      throw failure
    })
  }

  /** Tries one stage: why it failed, or `undefined`. */
  async #attempt(auth: JsonObject, session: AuthSession): Promise<string | undefined> {
    const { flows, isRegistrationToken } = session.requirement
    const stage = flows.flat().find((offered) => offered === auth.type && offered !== 'm.oauth')
    if (!stage) return 'This type of authentication is not offered'
    if (session.completed.includes(stage)) return undefined
    const next = flows.some((flow) => flow[session.completed.length] === stage && session.completed.every((done, i) => flow[i] === done))
    if (!next) return 'The stages of a flow are to be completed in order'
    if (stage === 'm.login.password') {
      const userId = await this.#provenByPassword(auth, session)
      if (userId === undefined) return 'Invalid user name or password'
      session.proof = { ...session.proof, userId }
    }
    if (stage === 'm.login.registration_token') {
      const { token } = auth
      if (typeof token !== 'string' || !(await isRegistrationToken?.(token))) return 'Invalid registration token'
      session.proof = { ...session.proof, registrationToken: token }
    }
    session.completed.push(stage)
    return undefined
  }

  async #provenByPassword(auth: JsonObject, session: AuthSession): Promise<UserId | undefined> {
    const { userId: expected } = session.requirement
    const userId = identifiedUser(auth, this.#accounts) ?? expected
    if (userId === undefined || typeof auth.password !== 'string') return undefined
    if (!(await this.#accounts.hasPassword(userId, auth.password))) return undefined
    if (expected !== undefined && userId !== expected) throw forbidden('This is the password of another user')
    return userId
  }

  #find({ session: id }: JsonObject, { operation, userId }: Requirement): AuthSession | undefined {
    const session = typeof id === 'string' ? this.#live(id) : undefined
    return session?.requirement.operation === operation && session.requirement.userId === userId ? session : undefined
  }

  #live(id: string): AuthSession | undefined {
    const session = this.#sessions.get(id)
    return session && session.expiresTs > this.#clock.now() ? session : undefined
  }

  #open(requirement: Requirement): AuthSession {
    const [oldest] = this.#sessions.keys()
    if (oldest !== undefined && this.#sessions.size >= sessionLimit) this.#sessions.delete(oldest)
    const id = encodeUrlSafeBase64(this.#random.bytes(18))
    const expiresTs = this.#clock.now() + sessionLifetimeMs
    const session: AuthSession = { id, requirement, expiresTs, completed: [], proof: {} }
    this.#sessions.set(id, session)
    return session
  }
}

function challenge({ flows, approval }: Requirement, session: AuthSession, failure?: string): AuthenticationRequired {
  const fields: JsonObject = {
    flows: flows.map((stages) => ({ stages: [...stages] })),
    params: approval ? { 'm.oauth': { url: approval.url } } : {},
    session: session.id,
  }
  if (session.completed.length > 0) fields.completed = [...session.completed]
  return new AuthenticationRequired(fields, failure)
}
