import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import * as v from 'valibot'
import { type Endpoint, open } from '../../http/endpoint.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'
import { forbidden, invalidParam } from '../../spec/errors.ts'
import type { ServerName } from '../../spec/event.ts'
import type { Accounts } from '../../users/accounts.ts'
import type { Sessions } from '../../users/sessions.ts'
import { registerLoggedIn } from './logged-in.ts'

export interface SharedSecretDeps {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly clock: Clock
  readonly random: Random
  readonly serverName: ServerName
  /** Without it there are no endpoints. */
  readonly sharedSecret: string | undefined
}

const path = '/_synapse/admin/v1/register'
/** How long a nonce for registration by the shared secret holds. */
const nonceLifetimeMs = 60_000
/** Nonces that wait to be used. */
const nonceLimit = 1000

const registration = v.looseObject({
  nonce: v.string(),
  username: v.string(),
  password: v.string(),
  displayname: v.optional(v.pipe(v.string(), v.maxLength(255))),
  admin: v.optional(v.boolean()),
  user_type: v.optional(v.nullable(v.string())),
  mac: v.string(),
})

/** Registration for whoever knows a secret: the way in that common tools for homeservers use. */
export function sharedSecretEndpoints(deps: SharedSecretDeps): Endpoint[] {
  const { sharedSecret } = deps
  if (sharedSecret === undefined) return []
  const nonces = new Map<string, number>()
  return [
    open({
      method: 'GET',
      path,
      handle: () => {
        const nonce = bytesToHex(deps.random.bytes(32))
        const [oldest] = nonces.keys()
        if (nonces.size >= nonceLimit && oldest !== undefined) nonces.delete(oldest)
        nonces.set(nonce, deps.clock.now() + nonceLifetimeMs)
        return { nonce }
      },
    }),
    open({
      method: 'POST',
      path,
      body: registration,
      handle: async ({ body, origin, keep }) => {
        const expiresTs = nonces.get(body.nonce) ?? 0
        nonces.delete(body.nonce)
        if (expiresTs <= deps.clock.now()) throw invalidParam('Unknown or expired nonce')
        if (!isEqual(macOf(sharedSecret, body), body.mac)) throw forbidden('HMAC incorrect')
        const { username, password, displayname, admin = false } = body
        const named = displayname === undefined ? {} : { displayName: displayname }
        const login = { refreshable: false, address: origin.address }
        const fields = { home_server: deps.serverName }
        return registerLoggedIn(deps, { username, password, admin, ...named }, { login, fields, keep })
      },
    }),
  ]
}

function macOf(secret: string, body: v.InferOutput<typeof registration>): string {
  const parts = [body.nonce, body.username, body.password, body.admin ? 'admin' : 'notadmin']
  if (typeof body.user_type === 'string') parts.push(body.user_type)
  const encoder = new TextEncoder()
  return bytesToHex(hmac(sha1, encoder.encode(secret), encoder.encode(parts.join('\0'))))
}

/** Takes as long wherever they differ. */
function isEqual(expected: string, given: string): boolean {
  if (expected.length !== given.length) return false
  let difference = 0
  for (let index = 0; index < expected.length; index++) difference |= expected.charCodeAt(index) ^ given.charCodeAt(index)
  return difference === 0
}
