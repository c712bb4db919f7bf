import { createClient, type LoginResponse, type RegisterResponse } from 'matrix-js-sdk'
import { quietLogger } from '../../../demo/session/quiet-logger.ts'
import type { ClientReport } from './client-report.ts'
import { Conversation } from './conversation.ts'
import { signInByCode, type WaitingSignIn } from './sign-in-by-code.ts'
import { type ClientSession, TestClient } from './test-client.ts'
import { verifyByEmoji, verifyByQrCode } from './verification.ts'

declare global {
  interface Window {
    /** What a page can do that has a client and knows nothing of homeservers. */
    clients: typeof clients
    /** Put in by a test that keeps a ledger. */
    report?: (report: ClientReport) => Promise<void> | void
  }
}

const password = 'wonderland-7'
const key = (name: string) => `client:${name}`

function keep(name: string, answer: LoginResponse | RegisterResponse, own: Pick<ClientSession, 'recoveryKey' | 'slides'>): ClientSession {
  const { user_id: userId, device_id: deviceId, access_token: accessToken } = answer
  if (!deviceId || !accessToken) throw new Error('the homeserver gave no device')
  const session = { name, userId, deviceId, accessToken, ...own }
  localStorage.setItem(key(name), JSON.stringify(session))
  return session
}

const unnamed = () => createClient({ baseUrl: location.origin, logger: quietLogger })

async function begin(username: string, name: string, recoveryKey: readonly number[]): Promise<ClientSession> {
  const identifier = { type: 'm.id.user', user: username }
  return keep(name, await unnamed().loginRequest({ type: 'm.login.password', identifier, password }), { recoveryKey })
}

const clients = {
  /** A new account with cross-signing and a backup of its message keys. The page finds it again by its user name. */
  register: async (username: string, slides = false): Promise<TestClient> => {
    const answer = await unnamed().registerRequest({ username, password, auth: { type: 'm.login.dummy' } })
    const recoveryKey = [...crypto.getRandomValues(new Uint8Array(32))]
    const client = await TestClient.start(keep(username, answer, { recoveryKey, slides }))
    await client.setUpTrust(password)
    return client
  },
  /** Another device of an account, which nobody has any reason to trust yet. */
  logInUntrusted: async (username: string, name: string): Promise<TestClient> => TestClient.start(await begin(username, name, [])),
  /** Another device of an account, found again by `name`, which is trusted because it is given the recovery key. */
  logIn: async (username: string, name: string, recoveryKey: readonly number[]): Promise<TestClient> => {
    const client = await TestClient.start(await begin(username, name, recoveryKey))
    await client.takeTrust()
    return client
  },
  /** A device again: one that this page kept under its name, or whose session a test kept. */
  resume: async (who: string | ClientSession): Promise<TestClient> =>
    TestClient.start(typeof who === 'string' ? JSON.parse(localStorage.getItem(key(who)) ?? '') : who),
  verifyByEmoji,
  verifyByQrCode,
  signInByCode,
  /** The client of a device that another let in, with the secrets that it was given. */
  startLetIn: async (userId: string, waiting: WaitingSignIn): Promise<TestClient> => {
    const { secrets, ...device } = await waiting.complete()
    const client = await TestClient.start({ name: device.deviceId, userId, recoveryKey: [], ...device })
    if (secrets) await client.takeSecrets(secrets)
    return client
  },
  /** What a client does in a room. */
  conversation: (client: TestClient, roomId: string): Conversation => new Conversation(client, roomId),
}

window.clients = clients
