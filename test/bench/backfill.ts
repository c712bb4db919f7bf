import { createHomeserver, type Homeserver } from '../../src/homeserver.ts'
import { MemoryBlobStore } from '../../src/media/memory-blob-store.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { browserClock, browserRandom } from '../../worker/browser-ports.ts'
import { createVerifier } from '../../worker/webcrypto-verifier.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { RemoteRoomServer } from './remote-room-server.ts'
import { rulesFor } from './rules.ts'

const length = 10_000

/** How many events a second a user who pages back through a room's history makes the homeserver fetch, verify, judge and keep. */
export async function backfillRate(): Promise<{ readonly perSecond: number; readonly events: number; readonly heapMb: number }> {
  const remote = new RemoteRoomServer(rulesFor('12'), { members: 10, length })
  const homeserver = await createHomeserver({
    storage: new MemoryStorage(),
    blobs: new MemoryBlobStore(),
    clock: browserClock,
    random: browserRandom,
    signer: nodeSigner('here.example'),
    verifier: createVerifier(),
    transport: remote,
    logger: { log: () => undefined },
    passwordHasher: { hash: async (password) => password, verify: async (password, phc) => password === phc },
    settings: { incarnation: 1, openRegistration: true, rateLimits: false, maxUploadBytes: 1 << 20 },
  })
  const account = { username: 'reader', password: 'a long password', auth: { type: 'm.login.dummy' } }
  const { access_token: token } = await call(homeserver, { method: 'POST', path: '/register', body: account })
  const asReader = { token: String(token) }
  const join = `/join/${encodeURIComponent(remote.roomId)}?server_name=${remote.serverName}`
  await call(homeserver, { method: 'POST', path: join, body: {}, ...asReader })
  const began = performance.now()
  let events = 0
  for (let from = ''; ; ) {
    const path = `/rooms/${encodeURIComponent(remote.roomId)}/messages?dir=b&limit=100${from && `&from=${from}`}`
    const page = await call(homeserver, { method: 'GET', path, ...asReader })
    events += Array.isArray(page.chunk) ? page.chunk.length : 0
    if (typeof page.end !== 'string') break
    from = encodeURIComponent(page.end)
  }
  const seconds = (performance.now() - began) / 1000
  await homeserver.stop()
  return { perSecond: events / seconds, events, heapMb: process.memoryUsage().heapUsed / 2 ** 20 }
}

async function call(
  { handleClient }: Homeserver,
  { method, path, token, body }: { readonly method: string; readonly path: string; readonly token?: string; readonly body?: object },
): Promise<Record<string, unknown>> {
  const request = new Request(`https://here.example/_matrix/client/v3${path}`, {
    method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const response = await handleClient(request, { trusted: true, address: 'page' })
  const answer = await response.json()
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}
