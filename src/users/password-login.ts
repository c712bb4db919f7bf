import { forbidden, unknownError } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { isObject, type JsonValue } from '../spec/json.ts'
import type { Accounts } from './accounts.ts'

/** The fields that name a user; all but the first are of old. */
export interface NamedUser {
  readonly identifier?: JsonValue | undefined
  readonly user?: JsonValue | undefined
  readonly medium?: JsonValue | undefined
}

/**
 * The user whom a login or an authentication stage names (Client-Server API, "Identifier types"); `undefined` where it names
 * none. Throws `M_FORBIDDEN` for third-party identifiers, of which this homeserver knows none, and `M_UNKNOWN` for others.
 */
export function identifiedUser(named: NamedUser, accounts: Accounts): UserId | undefined {
  const { identifier, user } = named
  if (isObject(identifier)) {
    if (identifier.type === 'm.id.user' && typeof identifier.user === 'string') return accounts.userIdOf(identifier.user)
    if (identifier.type === 'm.id.thirdparty' || identifier.type === 'm.id.phone') throw forbidden('Unknown third-party identifier')
    throw unknownError('Unknown or incomplete identifier', 400)
  }
  if (typeof user === 'string') return accounts.userIdOf(user)
  if (named.medium !== undefined) throw forbidden('Unknown third-party identifier')
  return undefined
}
