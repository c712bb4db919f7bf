import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import type { Handler } from '../../src/http/router.ts'
import { isObject } from '../../src/spec/json.ts'
import { Network } from '../simulation/network.ts'
import { nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedServer } from '../simulation/simulated-server.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'

const specification = join(import.meta.dirname, '../../../shared/spec/api/server-server')

/** What the specification has and we do not serve, and why. */
const notServed: Readonly<Record<string, string>> = {
  'GET /.well-known/matrix/server': 'the relay answers it',
  'GET /_matrix/federation/v1/query/{queryType}': 'stands for the queries that have entries of their own',
  'PUT /_matrix/federation/v1/invite/{roomId}/{eventId}': 'for rooms of versions 1 and 2, which are not served',
  'PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}': 'no identity server is spoken to',
  'PUT /_matrix/federation/v1/3pid/onbind': 'no identity server is spoken to',
  'POST /_matrix/policy/v1/sign': 'we are no policy server',
}

/** `METHOD path` of every operation in the OpenAPI files. */
function operations(): string[] {
  return readdirSync(specification, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
    .flatMap(({ name }) => operationsIn(readFileSync(join(specification, name), 'utf8')))
    .sort()
}

function operationsIn(yaml: string): string[] {
  const base = /basePath:\s*\n\s*default: (\S+)/.exec(yaml)?.[1] ?? ''
  const found: string[] = []
  let path = ''
  for (const line of yaml.slice(yaml.indexOf('\npaths:'), yaml.indexOf('\nservers:')).split('\n')) {
    const named = /^ {2}"?(\/[^":]*)"?:/.exec(line)?.[1]
    if (named !== undefined) path = named
    const method = /^ {4}(get|put|post|delete):/.exec(line)?.[1]
    if (method !== undefined) found.push(`${method.toUpperCase()} ${base === '/' ? '' : base}${path}`)
  }
  return found
}

async function isServed(handler: Handler, operation: string): Promise<boolean> {
  const [method = '', path = ''] = operation.split(' ')
  const uri = path.replace(/\{\w+\}/g, 'x')
  const body = method === 'GET' ? {} : { body: '{}' }
  const response = await handler(new Request(`https://home.example${uri}`, { method, ...body }), { trusted: false, address: 'test', uri })
  const answer: unknown = await response.json()
  return !isObject(answer) || answer.errcode !== 'M_UNRECOGNIZED'
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
  const all = operations()
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
