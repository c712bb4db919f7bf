import type { InProcessHomeserver } from './homeservers-in-process.ts'

type Json = Record<string, unknown>
type Request = readonly [method: string, path: string, body?: Json]

/** A user of a homeserver in this process. `call` asks their Client-Server API, and rejects unless it answers with success. */
export interface InProcessUser {
  readonly userId: string
  readonly call: (...request: Request) => Promise<Json>
}

/** Makes an account on `server`. */
export async function registerUser(server: InProcessHomeserver, username: string): Promise<InProcessUser> {
  const auth = { type: 'm.login.dummy' }
  const account = { username, password: 'wonderland-7', auth }
  const { user_id: userId, access_token: token } = await call(server, '', ['POST', 'register', account])
  return { userId: String(userId), call: (...request) => call(server, String(token), request) }
}

async function call(server: InProcessHomeserver, token: string, [method, path, body]: Request): Promise<Json> {
  const response = await server.fetch(`http://${server.name}/_matrix/client/v3/${path}`, {
    method,
    headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const answer: Json = await response.json()
  if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`)
  return answer
}
