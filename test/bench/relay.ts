import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bodyOf, startAdmittedTab, stopAll, TestKey, type TestTab, until } from '../contract/relay-fixture.ts'
import { freePort } from '../interop/free-port.ts'
import { RelayProgram } from '../interop/relay-program.ts'
import { line, median, raw } from './report.ts'

const domain = 'relay.example'
const transactionsInRun = 500
const runs = 5
const atATime = 10
/** The goal for all tabs to be back, and what they may need to notice that it is gone. */
const backWithinMs = 180_000
const agent = new Agent({ keepAlive: true })
/** An ordinary server. */
const server = new TestKey()
/** An event of a usual size. */
const pdu = { type: 'm.room.message', content: { body: 'x'.repeat(800) } }

/** What a relay has used so far, as it tells Prometheus itself. */
interface Usage {
  readonly cpuMs: number
  readonly memoryMb: number
}

/**
 * Measures the relay as a process of its own: what a transaction costs its processor on the way from an ordinary server to a
 * tab, and between two tabs over a circuit; what it holds for `count` tabs that are connected, and when all are back after it
 * was killed. The tabs are libp2p nodes of this process, without WebRTC, on the same processor as the relay.
 */
export async function benchRelay(count: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'yurt-bench-relay-'))
  const relay = new RelayProgram(directory)
  const [libp2p, federation, metrics] = [await freePort(), await freePort(), await freePort()]
  try {
    await relay.configure({
      domain,
      libp2p: { port: libp2p },
      federation: { port: federation },
      metrics: { port: metrics },
      limits: { connectionsPerAddressPerSecond: 10_000 },
      logLevel: 'error',
    })
    await relay.start()
    const [alice, bob] = [await startAdmittedTab({ relays: [relay.ready] }), await startAdmittedTab({ relays: [relay.ready] })]
    await transactions('a transaction from an ordinary server to a tab', metrics, (n) => fromServer(federation, alice, n))
    await transactions('a transaction from a tab to a tab over a circuit', metrics, (n) => overCircuit(bob, alice, n))
    await manyTabs(relay, metrics, { tabs: [alice, bob], count })
  } finally {
    await stopAll()
    await relay.end('SIGTERM')
    await rm(directory, { recursive: true, force: true })
  }
}

/** What each of many transactions, some at a time, costs the relay's processor. */
async function transactions(name: string, metrics: number, send: (n: number) => Promise<void>): Promise<void> {
  const costs: number[] = []
  for (let run = -1; run < runs; run++) {
    const before = await usage(metrics)
    let next = 0
    const lane = async () => {
      while (next < transactionsInRun) await send((run + 1) * transactionsInRun + next++)
    }
    await Promise.all(Array.from({ length: atATime }, lane))
    if (run >= 0) costs.push(((await usage(metrics)).cpuMs - before.cpuMs) / transactionsInRun)
  }
  line(name, `${median(costs).toFixed(2)} ms of the relay’s CPU`)
  raw('runs', costs)
}

async function manyTabs(
  relay: RelayProgram,
  metrics: number,
  { tabs, count }: { readonly tabs: TestTab[]; readonly count: number },
): Promise<void> {
  const before = await usage(metrics)
  const more = count - tabs.length
  while (tabs.length < count) {
    const some = Array.from({ length: Math.min(atATime, count - tabs.length) }, () => startAdmittedTab({ relays: [relay.ready] }))
    tabs.push(...(await Promise.all(some)))
  }
  const after = await usage(metrics)
  line('a tab connects and is admitted', `${((after.cpuMs - before.cpuMs) / more).toFixed(1)} ms of the relay’s CPU`)
  line(`${count} tabs connected`, `${after.memoryMb.toFixed(0)} MB`, 'resident memory of the relay')
  await relay.end('SIGKILL')
  await until(() => tabs.every(({ status }) => status().relays.every(({ state }) => state !== 'admitted')), backWithinMs)
  const began = performance.now()
  await relay.start()
  await until(() => tabs.every(({ status }) => status().relays.every(({ state }) => state === 'admitted')), backWithinMs)
  line(`${count} tabs back after the relay was killed`, `${((performance.now() - began) / 1000).toFixed(1)} s`)
}

function fromServer(port: number, to: TestTab, n: number): Promise<void> {
  const host = `${to.label}.${domain}`
  const { method, uri, headers, body } = transaction(server, host, n)
  return new Promise((resolve, reject) => {
    const sent = request({ port, path: uri, method, headers: { ...headers, host }, agent }, (response) => {
      response.resume()
      response.once('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`the relay answered ${response.statusCode}`))))
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

async function overCircuit(from: TestTab, to: TestTab, n: number): Promise<void> {
  const response = await from.transport.request(to.label, transaction(from.key, to.label, n), AbortSignal.timeout(30_000))
  await bodyOf(response)
}

function transaction(from: TestKey, to: string, n: number) {
  const content = { origin: from.label, origin_server_ts: n, pdus: [pdu] }
  return from.request({ from: from.label, to, method: 'PUT', uri: `/_matrix/federation/v1/send/${n}`, content })
}

async function usage(metricsPort: number): Promise<Usage> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  return { cpuMs: value('process_cpu_seconds_total') * 1000, memoryMb: value('process_resident_memory_bytes') / 2 ** 20 }
}
