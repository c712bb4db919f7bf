import { expect, test } from 'vitest'
import { FederationClient } from '../../src/federation/client.ts'
import type { WireResponse } from '../../src/ports/federation-transport.ts'
import type { JsonValue } from '../../src/spec/json.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

const clock = { now: () => 0, sleep: (ms: number) => (ms < 10_000 ? Promise.resolve() : new Promise<void>(() => undefined)) }
const whole = JSON.stringify({ state: [1, 2, 3], other: 'x', auth_chain: [4] })

/** A body in pieces of a byte each, which breaks after so many of them. */
function streamed(text: string, breaksAfter = Number.POSITIVE_INFINITY) {
  const bytes = new TextEncoder().encode(text)
  let at = 0
  const state = { cancelled: false }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      if (at === breaksAfter) throw new Error('the line broke')
      if (at === bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, ++at))
    },
    cancel: () => {
      state.cancelled = true
    },
  })
  return { body, state }
}

/** What a call finds of such bodies, one for each try, and what its readers were handed. */
async function read(bodies: readonly WireResponse['body'][], { maxBytes = 1_000, fails = false } = {}) {
  const left = [...bodies]
  const transport = {
    request: async () => ({ status: 200, headers: {}, body: left.shift() ?? new Uint8Array() }),
    onReachable: () => () => undefined,
    route: () => 'https' as const,
  }
  const client = new FederationClient({ transport, signer: nodeSigner('a.example'), clock, random: new SeededRandom(1) })
  const handed: [string, JsonValue][][] = []
  const reader = () => {
    const ofCall: [string, JsonValue][] = []
    handed.push(ofCall)
    return ({ list, elements }: { list: string; elements: readonly JsonValue[] }) => {
      if (fails) throw new RangeError('no more of this')
      for (const element of elements) ofCall.push([list, element])
    }
  }
  const asked = { method: 'PUT', path: ['test'], body: {}, maxBytes, repeatable: true } as const
  const answer = await client.lists('b.example', asked, { names: ['state', 'auth_chain'], reader }).catch((failure: unknown) => failure)
  return { answer, handed, left }
}

const all = [
  ['state', 1],
  ['state', 2],
  ['state', 3],
  ['auth_chain', 4],
]

test.each([
  ['whole', () => new TextEncoder().encode(whole)],
  ['byte by byte', () => streamed(whole).body],
])('an answer that comes %s is handed over in parts', async (_how, body) => {
  const { answer, handed } = await read([body()])
  expect(answer).toEqual({ state: [], other: 'x', auth_chain: [] })
  expect(handed).toEqual([all])
})

test('an answer that breaks off is asked for again, and read anew', async () => {
  const { answer, handed } = await read([streamed(whole, 15).body, streamed(whole).body])
  expect(answer).toMatchObject({ other: 'x' })
  expect(handed).toEqual([all.slice(0, 2), all])
})

test('an answer that is too long, or no JSON, is not read to its end', async () => {
  const [long, nonsense] = [streamed(whole), streamed(`{"state":[1,,${' '.repeat(500)}]}`)]
  expect((await read([long.body], { maxBytes: 20 })).answer).toMatchObject({ status: 502, errcode: 'M_TOO_LARGE' })
  expect((await read([nonsense.body])).answer).toMatchObject({ status: 502, errcode: 'M_UNKNOWN' })
  expect([long.state.cancelled, nonsense.state.cancelled]).toEqual([true, true])
})

test('an answer that is no object makes no sense', async () => {
  expect((await read([new TextEncoder().encode('[{"state":[1]}]')])).answer).toMatchObject({ status: 502 })
})
