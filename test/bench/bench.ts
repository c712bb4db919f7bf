import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { WebSocketServer } from 'ws'
import { openBrowser } from '../../headless/browser.ts'
import { startStaticServer } from '../../scripts/serve.ts'
import { pagesAtRoot, repairWebRtcRace, serviceWorker } from '../../scripts/vite-plugins.ts'
import type { Measurements } from './site/main.ts'

type Report = Measurements | { readonly begun: true } | { readonly failed: string }

/**
 * Measures the homeserver where people run it: in a real Chromium, through the service worker, in a page that drives itself,
 * since a debugger would halve the speed. A first visit sets up; a second browser on the same profile measures.
 */
async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'yurt-bench-'))
  await buildSite(join(directory, 'site'))
  const sockets = new WebSocketServer({ noServer: true })
  const server = await startStaticServer({
    directory: join(directory, 'site'),
    port: 0,
    upgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request)),
  })
  const visit = async (): Promise<Report> => {
    const report = new Promise<Report>((resolve) => {
      sockets.once('connection', (socket) => socket.once('message', (data) => resolve(JSON.parse(String(data)))))
    })
    const browser = await openBrowser(server.url, join(directory, 'profile'))
    try {
      return await report
    } finally {
      await browser.close()
    }
  }
  try {
    await visit()
    print(await visit())
  } finally {
    sockets.close()
    await server.close()
    await rm(directory, { recursive: true, force: true })
  }
}

async function buildSite(outDir: string): Promise<void> {
  const output = { entryFileNames: 'workers/[name]-[hash].js', chunkFileNames: 'workers/[name]-[hash].js' }
  await build({
    configFile: false,
    logLevel: 'warn',
    plugins: [repairWebRtcRace(), pagesAtRoot(), serviceWorker('worker/service-worker.ts')],
    worker: { format: 'es', rolldownOptions: { output } },
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: ['test/bench/site/index.html', 'worker/tab-host.html'] },
    },
  })
}

function print(report: Report): void {
  if (!('send' in report)) throw new Error(`the page did not measure: ${JSON.stringify(report)}`)
  const floor = quantile(report.emptyRoundTrip, 0.5) + quantile(report.strictCommit, 0.5)
  row('empty round trip through the service worker', report.emptyRoundTrip)
  row('one strict commit in IndexedDB', report.strictCommit)
  row('send a message → 200', report.send, `floor of the two above ${floor.toFixed(1)} ms`)
  row('send → in another waiting /sync', report.delivery)
  row('/sync with nothing new', report.idleSync)
  console.log(`${'sends, 50 at a time'.padEnd(46)}${report.sendsPerSecond.toFixed(0)} a second`)
  console.log(`${'page load → first incremental /sync'.padEnd(46)}${report.coldStart.toFixed(0)} ms`)
}

function row(name: string, times: readonly number[], note = ''): void {
  const figures = `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`
  console.log(`${name.padEnd(46)}${figures}${note && ` (${note})`}`)
}

function quantile(times: readonly number[], q: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

await main()
