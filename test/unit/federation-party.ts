import * as v from 'valibot'
import { keyEndpoints } from '../../src/api/federation/keys.ts'
import { FederationClient } from '../../src/federation/client.ts'
import { createEventVerifier } from '../../src/federation/event-verifier.ts'
import { KeyRing } from '../../src/federation/key-ring.ts'
import { OwnKeys } from '../../src/federation/own-keys.ts'
import { createServerAuthentication } from '../../src/federation/request-authentication.ts'
import { createSignEvent } from '../../src/federation/sign.ts'
import { SignatureChecker } from '../../src/federation/signature-checker.ts'
import { type Endpoint, forServer } from '../../src/http/endpoint.ts'
import { createHandler } from '../../src/http/router.ts'
import type { Signer } from '../../src/ports/signer.ts'
import type { Storage } from '../../src/ports/storage.ts'
import { unknownToken } from '../../src/spec/errors.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { labelOfPublicKey } from '../../src/spec/self-certifying.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { Network } from '../simulation/network.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'

export const startTs = 1_790_000_000_000

export function world() {
  const clock = new VirtualClock(startTs)
  const network = new Network(clock, new SeededRandom(7))
  return { clock, network }
}

export type World = ReturnType<typeof world>

/** Lets virtual time pass until `work` is done. */
export async function within<T>({ clock }: World, ms: number, work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  let isDone = false
  const done = () => {
    isDone = true
  }
  work.then(done, done)
  for (let passed = 0; passed < ms && !isDone; passed += 100) await clock.run(100)
  if (!isDone) throw new Error(`not done after ${ms} ms of virtual time`)
  return work
}

/** An identity whose server name is its own key. */
export function selfCertifyingSigner(secret: string): Signer {
  return nodeSigner(labelOfPublicKey(nodeSigner('', secret).publicKey), secret)
}

/** What a homeserver needs to speak to others, and to be spoken to; without rooms. */
export function party(at: World, signer: Signer, options: { notaries?: string[]; endpoints?: Endpoint[]; storage?: Storage } = {}) {
  const { clock, network } = at
  const requests: { to: string; method: string; uri: string; body: string }[] = []
  const wire = network.transport(signer.serverName)
  const transport = {
    ...wire,
    request: (...sent: Parameters<typeof wire.request>) => {
      const [to, { method, uri, body }] = sent
      requests.push({ to, method, uri, body: new TextDecoder().decode(body) })
      return wire.request(...sent)
    },
  }
  const storage = options.storage ?? new MemoryStorage()
  const warnings: string[] = []
  const logger = { log: (level: string, message: string) => void (level === 'warn' && warnings.push(message)) }
  const random = new SeededRandom(3)
  const verifier = nodeVerifier()
  const ownKeys = new OwnKeys({ signer, clock })
  const client = new FederationClient({ transport, signer, clock, random })
  const keyRing = new KeyRing({ storage, signer, ownKeys, client, verifier, clock, logger, notaries: options.notaries ?? [] })
  const checker = new SignatureChecker({ keyRing, verifier })
  const heard: string[] = []
  const server = createServerAuthentication({ serverName: signer.serverName, checker, clock, heard: (name) => heard.push(name) })
  const user = () => Promise.reject(unknownToken())
  const handler = createHandler([...keyEndpoints({ ownKeys, keyRing, signer, clock }), whoAmI, ...(options.endpoints ?? [])], {
    authenticator: { server, user },
    logger,
    rateLimit: () => undefined,
  })
  network.attach(signer.serverName, handler)
  const eventVerifier = createEventVerifier(checker)
  const signEvent = createSignEvent(signer)
  return {
    ...at,
    signer,
    transport,
    storage,
    ownKeys,
    client,
    keyRing,
    checker,
    handler,
    heard,
    requests,
    warnings,
    random,
    logger,
    eventVerifier,
    signEvent,
  }
}

export type Party = ReturnType<typeof party>

const whoAmI = forServer({
  method: 'PUT',
  path: '/_matrix/test/:what',
  body: v.custom<JsonObject>(isObject),
  handle: ({ server, body }) => ({ server, body }),
})

/** A server that publishes whatever document it is given. */
export function publisher({ network }: World, serverName: string, document: () => JsonObject) {
  let fetches = 0
  network.attach(serverName, async () => {
    fetches++
    return new Response(JSON.stringify(document()), { headers: { 'content-type': 'application/json' } })
  })
  return { fetches: () => fetches }
}
