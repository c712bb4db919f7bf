import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build, type Plugin } from 'vite'
import { type StaticServer, startStaticServer } from '../../../scripts/serve.ts'
import { pagesAtRoot, repairWebRtcRace, serviceWorker } from '../../../scripts/vite-plugins.ts'

const pages = ['test/browser/site/index.html', 'test/browser/site/contract.html']

/** `stand-in`: answers at once, late, in streams or never, as a test wants it. */
export type HomeserverKind = 'real' | 'stand-in'

/** Builds pages, with the service worker and all that the app has, around a homeserver, into a new directory. */
export async function buildSite(homeserver: HomeserverKind, input: readonly string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'yurt-site-'))
  const output = { entryFileNames: 'workers/[name]-[hash].js', chunkFileNames: 'workers/[name]-[hash].js' }
  await build({
    configFile: false,
    logLevel: 'warn',
    publicDir: 'test/browser/site/public',
    plugins: [repairWebRtcRace(), pagesAtRoot(), serviceWorker('worker/service-worker.ts')],
    worker: { format: 'es', plugins: () => (homeserver === 'real' ? [] : [standIn()]), rolldownOptions: { output } },
    build: {
      outDir: directory,
      emptyOutDir: false,
      target: 'es2022',
      modulePreload: false,
      minify: false,
      rolldownOptions: { input: [...input, 'worker/tab-host.html'] },
    },
  })
  return directory
}

/** Builds the test pages and serves them. */
export async function startSite(homeserver: HomeserverKind): Promise<StaticServer> {
  const directory = await buildSite(homeserver, pages)
  const server = await startStaticServer({ directory, port: 0 })
  return {
    ...server,
    close: async () => {
      await server.close()
      await rm(directory, { recursive: true })
    },
  }
}

function standIn(): Plugin {
  return {
    name: 'stand-in-homeserver',
    enforce: 'pre',
    resolveId: (source) => (source.endsWith('/src/homeserver.ts') ? resolve('test/browser/site/stand-in-homeserver.ts') : undefined),
  }
}
