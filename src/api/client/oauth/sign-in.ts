import type { RequestOrigin } from '../../../http/endpoint.ts'
import type { Settings } from '../../../ports/settings.ts'
import { MatrixError } from '../../../spec/errors.ts'
import type { UserId } from '../../../spec/event.ts'
import type { Accounts } from '../../../users/accounts.ts'

/** Who signs in on a page: or why not, for people. */
export type SignedIn = { readonly userId: UserId } | { readonly error: string }

/** Checks the user name and password that a form gave. */
export async function signIn(accounts: Accounts, fields: ReadonlyMap<string, string>): Promise<SignedIn> {
  const userId = accounts.userIdOf(fields.get('username')?.trim() ?? '')
  if (!(await accounts.hasPassword(userId, fields.get('password') ?? ''))) return { error: 'The user name or the password is wrong.' }
  return (await accounts.moderation(userId))?.locked ? { error: 'This account is locked.' } : { userId }
}

/** Makes the account that a form asks for. */
export async function signUp(accounts: Accounts, fields: ReadonlyMap<string, string>): Promise<SignedIn> {
  const [username = '', password = ''] = [fields.get('username')?.trim(), fields.get('password')]
  try {
    return { userId: await accounts.create({ username, password }) }
  } catch (failure) {
    if (failure instanceof MatrixError) return { error: `${failure.message}.` }
    throw failure
  }
}

/** Whether whoever asks may make an account. */
export function maySignUp(origin: RequestOrigin, settings: Settings): boolean {
  return origin.trusted || settings.openRegistration
}
