import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Handler } from '../../src/http/router.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { Network } from '../simulation/network.ts'
import { nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedServer } from '../simulation/simulated-server.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { type ApiName, hasSpecification, withoutSpecification } from './specification/documents.ts'
import { notOffered } from './specification/not-offered.ts'
import { operationsOf } from './specification/operations.ts'
import { operationsTable, servedOperations } from './specification/operations-table.ts'
import { generatedPart } from './specification/readme.ts'
import { routesOf } from './specification/served.ts'

const network = new InProcessNetwork()
let home: InProcessHomeserver

beforeAll(async () => {
  home = await network.start('home.example')
})

afterAll(() => network.stop())

beforeEach(({ skip }) => skip(!hasSpecification, withoutSpecification))

test.each(['client-server', 'server-server'] as const)(
  'every operation of the %s API is served, or answered as not offered for a reason',
  async (api) => {
    const { client, federation } = await home.homeserver.endpoints()
    const served = new Set(servedOperations(api, api === 'client-server' ? client : federation).map(({ name }) => name))
    const others = operationsOf(api).filter(({ name }) => !served.has(name))
    // An operation that is served now leaves the table in test/contract/specification/not-offered.ts; one that is not joins it.
    expect(others.map(({ name }) => name).sort()).toEqual(Object.keys(notOffered[api]).sort())
  },
)

test('what is not offered of the Client-Server API is answered as the table says', async () => {
  const token = await register()
  const answers = await answersOf('client-server', home.homeserver.handleClient, { authorization: `Bearer ${token}` })
  expect(answers).toEqual(expectedAnswers('client-server'))
})

test('what is not offered of the Server-Server API is answered as the table says', async () => {
  const clock = new VirtualClock(1_700_000_000_000)
  const random = new SeededRandom(1)
  const around = { network: new Network(clock, random), verifier: nodeVerifier(), random, log: () => undefined }
  const server = new SimulatedServer('home.example', clock, around)
  await server.start()
  if (!server.running) throw new Error('the homeserver did not start')
  expect(await answersOf('server-server', server.running.handleFederation, {})).toEqual(expectedAnswers('server-server'))
})

test('no two endpoints answer the same request', async () => {
  const { client, federation } = await home.homeserver.endpoints()
  const names = [...routesOf(client), ...routesOf(federation)].map(({ name }) => name.replaceAll(/:\w+/g, ':'))
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

test('the table of operations in the README is that of this homeserver', async () => {
  expect(generatedPart(), 'run: npm run operations -- --write').toBe(operationsTable(await home.homeserver.endpoints()))
})

async function register(): Promise<string> {
  const body = { username: 'alice', password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
  const response = await home.fetch('http://home.example/_matrix/client/v3/register', { method: 'POST', body: JSON.stringify(body) })
  const { access_token: token }: JsonObject = await response.json()
  return String(token)
}

async function answersOf(api: ApiName, handle: Handler, headers: Record<string, string>): Promise<Record<string, string>> {
  const answers = operationsOf(api)
    .filter(({ name }) => notOffered[api][name])
    .map(async ({ name, method, path }): Promise<[string, string]> => {
      const uri = path.replace('{roomId}', '!room:home.example').replaceAll(/\{\w+\}/g, 'x')
      const body = method === 'GET' ? {} : { body: JSON.stringify({ medium: 'email' }) }
      const request = new Request(`https://home.example${uri}`, { method, headers, ...body })
      const response = await handle(request, { trusted: true, address: 'test', uri })
      const { errcode }: JsonObject = await response.json()
      return [name, `${response.status} ${errcode}`]
    })
  return Object.fromEntries(await Promise.all(answers))
}

function expectedAnswers(api: ApiName): Record<string, string> {
  return Object.fromEntries(Object.entries(notOffered[api]).map(([name, { answer }]) => [name, answer]))
}
