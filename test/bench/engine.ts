import { stateKeyOf } from '../../src/spec/event.ts'
import { resolveState } from '../../src/spec/state-resolution.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import { createVerifier } from '../../worker/webcrypto-verifier.ts'
import { installSynapse } from '../interop/synapse.ts'
import { SynapseResolver } from '../interop/synapse-resolver.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { runResolution } from '../unit/spec-state-graph.ts'
import { backfillRate } from './backfill.ts'
import { forkRoom } from './forked-room.ts'
import { line, median, raw, times } from './report.ts'
import { rulesFor } from './rules.ts'

const forks = [
  { version: '12', size: 1_000 },
  { version: '12', size: 10_000 },
  { version: '11', size: 10_000 },
  { version: '1', size: 10_000 },
]
/** In each turn, of the engine's and of Synapse's. */
const resolutions = 7
const turns = 3
const warmUp = 30
const signatures = 10_000
const roomSizes = [100, 1_000, 10_000, 50_000]

/** Measures the room engine: what it is to resolve, to store, to verify and to take in. */
export async function benchEngine(): Promise<void> {
  await resolveForks()
  await changeStates()
  await verifySignatures()
  await backfill()
}

/** State resolution, beside Synapse's own on the same events; both have all events in memory. */
async function resolveForks(): Promise<void> {
  const missing = await installSynapse()
  if (missing !== undefined) console.log(`without Synapse: ${missing}`)
  for (const { version, size } of forks) {
    const rules = rulesFor(version)
    const { room, states, conflicts } = forkRoom(rules, size)
    const work = () => runResolution(resolveState(rules, states), room.events)
    const synapse = missing === undefined ? new SynapseResolver() : undefined
    const ours: number[] = []
    const theirs = { ms: [] as number[], storeMs: [] as number[] }
    // In turns, since what else the machine does changes from minute to minute.
    for (let turn = 0; turn < turns; turn++) {
      ours.push(...(await times(resolutions, work, turn === 0 ? warmUp : 1)))
      const answer = await synapse?.ask({ rules, events: room.events.values(), states, stored: true, runs: resolutions })
      if (!answer) continue
      theirs.ms.push(...answer.ms)
      theirs.storeMs.push(...answer.storeMs)
      const { state } = work()
      const isSame = answer.state.size === state.size && [...state].every(([key, eventId]) => answer.state.get(key) === eventId)
      if (!isSame) throw new Error('Synapse resolves this to another state')
    }
    synapse?.stop()
    const own = theirs.ms.map((ms, run) => ms - (theirs.storeMs[run] ?? 0))
    const ratio = (figures: readonly number[]): string =>
      `${median(figures).toFixed(1)} ms, ${(median(figures) / median(ours)).toFixed(1)} times`
    const beside = synapse ? `Synapse ${ratio(theirs.ms)}; less the auth difference of its stand-in database ${ratio(own)}` : ''
    const what = `fork of a room of ${size} state events, version ${version}`
    line(what, `${median(ours).toFixed(1)} ms`, `${conflicts.events} events on ${conflicts.keys} keys differ${beside && `; ${beside}`}`)
    raw('ours', ours)
    if (!synapse) continue
    raw('Synapse', own)
    raw('its stand-in database', theirs.storeMs)
  }
}

/** What one change of the state writes, as the room grows. */
async function changeStates(): Promise<void> {
  for (const size of roomSizes) {
    const state = StateTrie.from(Array.from({ length: size }, (_, i) => [member(i), eventId(i)]))
    const stored = new Set([...state.newNodes(() => false)].map(([hash]) => hash))
    const bytes = Array.from({ length: 101 }, (_, i) => {
      const changed = state.set(member((i * 7919) % size), eventId(size + i))
      return JSON.stringify([...changed.newNodes((hash) => stored.has(hash))]).length
    })
    const taken = await times(101, () => state.set(member(1), eventId(-1)).root)
    const figures = `${median(bytes)} bytes, ${(median(taken) * 1000).toFixed(0)} µs`
    line(`one change of a state of ${size}`, figures, `greatest ${Math.max(...bytes)} bytes`)
  }
}

/** The homeserver's verifier beside WebCrypto alone, in Node. */
async function verifySignatures(): Promise<void> {
  const signers = Array.from({ length: 20 }, (_, i) => nodeSigner(`server${i}.example`))
  const batch = await Promise.all(
    Array.from({ length: signatures }, async (_, i) => {
      const signer = signers[i % signers.length] ?? nodeSigner('')
      const message = new TextEncoder().encode(`${i} `.padEnd(500, 'x'))
      return { message, signature: await signer.sign(message), publicKey: signer.publicKey }
    }),
  )
  const verifier = createVerifier()
  const ours = await times(5, () => verifier.verify(batch), 1)
  const keys = new Map(
    await Promise.all(
      signers.map(
        async ({ publicKey }) => [publicKey, await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])] as const,
      ),
    ),
  )
  const alone = await times(
    5,
    () =>
      Promise.all(
        batch.flatMap(({ message, signature, publicKey }) => {
          const key = keys.get(publicKey)
          return key ? [crypto.subtle.verify('Ed25519', key, signature, message)] : []
        }),
      ),
    1,
  )
  line(`verification of ${signatures} signatures`, `${median(ours).toFixed(0)} ms`, `WebCrypto alone ${median(alone).toFixed(0)} ms`)
  raw('ours', ours)
  raw('WebCrypto alone', alone)
}

/** Ten thousand events that a user's paging back fetches: parsed, verified, authorised, committed in memory and served. */
async function backfill(): Promise<void> {
  const runs = [await backfillRate(), await backfillRate(), await backfillRate()]
  const rates = runs.map(({ perSecond }) => perSecond)
  const heap = Math.max(...runs.map(({ heapMb }) => heapMb))
  line(
    `back-fill of ${runs[0]?.events} events`,
    `${median(rates).toFixed(0)} a second`,
    `in Node, in memory; heap ${heap.toFixed(0)} MB at most`,
  )
  raw('events a second', rates)
}

function member(index: number) {
  return stateKeyOf('m.room.member', `@user${index}:server${index % 300}.example`)
}

/** As long as a real one. */
function eventId(index: number): string {
  return `$${String(index).padStart(43, 'x')}`
}
