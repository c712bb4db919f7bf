import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { WebSocketServer } from 'ws'
import { openBrowser } from '../../headless/browser.ts'
import { startStaticServer } from '../../scripts/serve.ts'
import { pagesAtRoot, repairWebRtcRace, serviceWorker, workerOutput } from '../../scripts/vite-plugins.ts'
import { median, quantile } from './report.ts'
import type { Measurements, Report, Task } from './site/main.ts'
import { measureSynapse } from './synapse.ts'
import { workerHeapMb } from './worker-heap.ts'
import type { ClientTimes, Size } from './workload.ts'

/** What was measured of a homeserver in a tab. */
interface TabFigures extends Measurements {
  readonly coldIncremental: readonly number[]
  readonly coldInitial: readonly number[]
  /** The homeserver worker's, in MB, after a cold start and an initial `/sync`. */
  readonly heapMb: number
}

const coldStarts = 5

/**
 * Measures what clients wait for, where people run the homeserver: in a real Chromium, through the service worker, in pages that
 * drive themselves, since a debugger would halve the speed. A first visit sets up; browsers on the same profile measure. Then
 * Synapse does the same work.
 */
export async function clientRows(size: Size, { alone }: { readonly alone: boolean }): Promise<void> {
  console.log(`Clients: ${size.rooms} rooms, each with ${size.messagesPerRoom} messages; load ${load()}`)
  const tab = await measureTab(size)
  printTab(tab)
  const synapse = alone ? 'it was not asked for' : await measureSynapse(size)
  if (typeof synapse === 'string') console.log(`Synapse is not measured: ${synapse}`)
  else printBeside(tab, synapse)
  console.log(`load ${load()}`)
}

async function measureTab(size: Size): Promise<TabFigures> {
  const directory = await mkdtemp(join(tmpdir(), 'yurt-bench-'))
  await buildSite(join(directory, 'site'))
  const sockets = new WebSocketServer({ noServer: true })
  const server = await startStaticServer({
    directory: join(directory, 'site'),
    port: 0,
    upgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request)),
  })
  const profile = join(directory, 'profile')
  const nextReport = () =>
    new Promise<Report>((resolve) => {
      sockets.once('connection', (socket) => socket.once('message', (data) => resolve(JSON.parse(String(data)))))
    })
  const urlOf = (task: Task) =>
    `${server.url}/?${new URLSearchParams({ task, rooms: String(size.rooms), messages: String(size.messagesPerRoom) })}`
  const visit = async (task: Task): Promise<Report> => {
    const report = nextReport()
    const browser = await openBrowser(urlOf(task), profile)
    try {
      const told = await report
      if ('failed' in told) throw new Error(`the page did not ${task}: ${told.failed}`)
      return told
    } finally {
      await browser.close()
    }
  }
  const cold = async (task: 'incremental' | 'initial'): Promise<number[]> => {
    const reports: Report[] = []
    for (let i = 0; i < coldStarts; i++) reports.push(await visit(task))
    return reports.flatMap((report) => ('coldStart' in report ? report.coldStart : []))
  }
  try {
    await visit('prepare')
    const [coldIncremental, coldInitial, measured] = [await cold('incremental'), await cold('initial'), await visit('measure')]
    if (!('send' in measured)) throw new Error('the page did not measure')
    return { ...measured, coldIncremental, coldInitial, heapMb: await workerHeapMb(urlOf('initial'), profile, nextReport) }
  } finally {
    sockets.close()
    await server.close()
    await rm(directory, { recursive: true, force: true })
  }
}

async function buildSite(outDir: string): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'warn',
    plugins: [repairWebRtcRace(), pagesAtRoot(), serviceWorker('worker/service-worker.ts')],
    worker: { format: 'es', rolldownOptions: { output: workerOutput } },
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: ['test/bench/site/index.html', 'worker/tab-host.html'] },
    },
  })
}

function printTab(tab: TabFigures): void {
  const floor = median(tab.emptyRoundTrip) + median(tab.strictCommit)
  row('empty round trip through the service worker', tab.emptyRoundTrip)
  row('one strict commit in IndexedDB', tab.strictCommit)
  row('send a message → 200', tab.send, `the two above: ${floor.toFixed(1)} ms`)
  row('send → in another user’s waiting /sync', tab.delivery)
  row('/sync with nothing new in any room', tab.idleSync, `in the worker about ${inWorker(tab).toFixed(1)} ms`)
  row('initial /sync', tab.initialSync)
  row('page load → first incremental /sync', tab.coldIncremental)
  row('page load → first initial /sync', tab.coldInitial)
  console.log(`${'heap of the homeserver worker after that'.padEnd(46)}${tab.heapMb.toFixed(0)} MB`)
}

/** The goals of the client rows that are ratios. Synapse is asked by Node over plain HTTP, which has no service worker in between. */
function printBeside(tab: ClientTimes, synapse: ClientTimes): void {
  console.log('Beside Synapse (SQLite; asked by Node over HTTP on loopback), medians:')
  const ratio = (name: string, times: (of: ClientTimes) => readonly number[]): void => {
    const [ours, theirs] = [median(times(tab)), median(times(synapse))]
    console.log(`${name.padEnd(46)}${ours.toFixed(1)} ms, Synapse ${theirs.toFixed(1)} ms: ${(theirs / ours).toFixed(1)} times faster`)
  }
  ratio('an empty request', ({ emptyRoundTrip }) => emptyRoundTrip)
  ratio('send a message → 200', ({ send }) => send)
  ratio('send → in another user’s waiting /sync', ({ delivery }) => delivery)
  ratio('/sync with nothing new in any room', ({ idleSync }) => idleSync)
  ratio('initial /sync', ({ initialSync }) => initialSync)
  const rates = [tab, synapse].map(({ sendsPerSecond }) => sendsPerSecond.toFixed(0))
  console.log(`${'sends, 50 at a time'.padEnd(46)}${rates[0]} a second, Synapse ${rates[1]}`)
}

/** What is left of an idle `/sync` without the way to the worker and back. */
function inWorker({ idleSync, emptyRoundTrip }: ClientTimes): number {
  return Math.max(0, median(idleSync) - median(emptyRoundTrip))
}

function row(name: string, times: readonly number[], note = ''): void {
  const figures = `p50 ${median(times).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`
  console.log(`${name.padEnd(46)}${figures}${note && ` (${note})`}`)
}

function load(): string {
  return loadavg()
    .map((average) => average.toFixed(1))
    .join(' ')
}
