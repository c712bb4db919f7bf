import { existsSync } from 'node:fs'
import { beforeEach, expect, test } from 'vitest'
import { Network } from '../simulation/network.ts'
import { nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedServer } from '../simulation/simulated-server.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'
import { isServed, openApiOf, operationsOf } from './openapi-operations.ts'

const specification = openApiOf('server-server')

/** What the specification has and we do not serve, and why. */
const notServed: Readonly<Record<string, string>> = {
  'GET /.well-known/matrix/server': 'the relay answers it',
  'GET /_matrix/federation/v1/query/{queryType}': 'stands for the queries that have entries of their own',
  'PUT /_matrix/federation/v1/invite/{roomId}/{eventId}': 'for rooms of versions 1 and 2, which are not served',
  'PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}': 'no identity server is spoken to',
  'PUT /_matrix/federation/v1/3pid/onbind': 'no identity server is spoken to',
  'POST /_matrix/policy/v1/sign': 'we are no policy server',
}

beforeEach(({ skip }) => skip(!existsSync(specification), 'the Matrix OpenAPI is not at ../shared/spec'))

test('every operation of the Server-Server API is served, but for a few with a reason', async () => {
  const clock = new VirtualClock(1_700_000_000_000)
  const random = new SeededRandom(1)
  const around = { network: new Network(clock, random), verifier: nodeVerifier(), random, log: () => undefined }
  const server = new SimulatedServer('home.example', clock, around)
  await server.start()
  const handler = server.running?.handleFederation
  if (!handler) throw new Error('the homeserver did not start')
  const all = operationsOf(specification)
  expect(all.length).toBeGreaterThan(35)
  const missing: string[] = []
  for (const operation of all) {
    const served = isServed(handler, operation)
    // Asking for the keys of a server that is not there takes its time.
    await clock.run(20_000)
    if (!(await served)) missing.push(operation)
  }
  expect(missing).toEqual(Object.keys(notServed).sort())
})
