import type { KeepAnswer } from '../../http/endpoint.ts'
import type { UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { Accounts, NewAccount } from '../../users/accounts.ts'
import type { LoginAnswer, LoginRequest, Sessions } from '../../users/sessions.ts'

interface LoggingIn {
  readonly login: LoginRequest
  /** Said beside who is logged in, and how. */
  readonly fields?: JsonObject
  readonly keep: KeepAnswer
}

/** Logs a user in; resolves with what the client is told. */
export async function loggedIn(sessions: Sessions, userId: UserId, { login, fields = {}, keep }: LoggingIn): Promise<JsonObject> {
  const answerTo = (answer: LoginAnswer) => ({ user_id: userId, ...fields, ...answer })
  const alongside = (answer: LoginAnswer) => [...(login.alongside?.(answer) ?? []), ...keep(answerTo(answer))]
  return answerTo(await sessions.login(userId, { ...login, alongside }))
}

/** Makes an account and logs it in, in one commit. */
export function registerLoggedIn(
  { accounts, sessions }: { readonly accounts: Accounts; readonly sessions: Sessions },
  account: NewAccount,
  { login, ...rest }: LoggingIn,
): Promise<JsonObject> {
  return accounts.createBy(account, (userId, writes) =>
    loggedIn(sessions, userId, { login: { ...login, alongside: () => writes }, ...rest }),
  )
}
