import { createHash } from 'node:crypto'
import { build, type Plugin, type Rolldown } from 'vite'

/** How workers are bundled. */
export const workerOutput: Rolldown.OutputOptions = {
  // A directory of their own: they are served under their own policy.
  entryFileNames: 'workers/[name]-[hash].js',
  chunkFileNames: 'workers/[name]-[hash].js',
  // One file for all that a start needs, and one for what two or more of the chunks loaded later need.
  codeSplitting: {
    groups: [
      { name: 'start', tags: ['$initial'], priority: 1 },
      { name: 'shared', minShareCount: 2 },
    ],
  },
}

/**
 * Repairs a race in @libp2p/webrtc: the initiator of a connection waits for the first data channel to open when the other
 * side may already have closed it, and one dial in twelve hangs until its time-out. Fails the build when the code it
 * repairs has changed.
 */
export function repairWebRtcRace(): Plugin {
  return {
    name: 'repair-webrtc-race',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('@libp2p/webrtc/dist/src/private-to-private/initiate-connection.js')) return undefined
      const opened = code.replace(
        /if \(channel\.readyState !== 'open'\) \{([\s\S]*?)await pEvent\(channel, 'open', \{\s*signal\s*\}\);\s*\}/,
        "if (channel.readyState === 'connecting') { await pEvent(channel, ['open', 'close', 'closing', 'error'], { signal }).catch((error) => { if (signal?.aborted) throw error }) }",
      )
      const repaired = opened.replace(
        /await pEvent\(channel, 'close', \{\s*signal\s*\}\);/,
        "if (channel.readyState !== 'closed') await pEvent(channel, 'close', { signal });",
      )
      if (opened === code || repaired === opened) throw new Error('@libp2p/webrtc changed: look whether its dial race is still there')
      return { code: repaired, map: null }
    },
  }
}

/** Emits every page at the root of the site under its own name: demo/index.html becomes /index.html. */
export function pagesAtRoot(): Plugin {
  return {
    name: 'pages-at-root',
    enforce: 'post',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type === 'asset' && file.fileName.endsWith('.html'))
          file.fileName = file.fileName.slice(file.fileName.lastIndexOf('/') + 1)
      }
    },
  }
}

interface PrecacheEntry {
  readonly url: string
  /** `null` where the name holds a hash of the content. */
  readonly revision: string | null
}

/**
 * Builds the service worker as one classic script, /sw.js, after all else, with `self.__WB_MANIFEST` replaced by the list
 * of files that workbox-precaching is to keep for a start without network.
 *
 * @param entry the service worker's source file
 */
export function serviceWorker(entry: string): Plugin {
  let precached: PrecacheEntry[] = []
  let outDir = 'dist'
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    configResolved: (config) => {
      outDir = config.build.outDir
    },
    generateBundle: {
      order: 'post',
      handler: (_options, bundle) => {
        precached = Object.values(bundle)
          .filter((file) => !file.fileName.startsWith('.') && !file.fileName.endsWith('.map'))
          .map((file) => precacheEntry(file.fileName, file.type === 'chunk' ? file.code : file.source))
          .sort((left, right) => (left.url < right.url ? -1 : 1))
      },
    },
    closeBundle: async (error) => {
      if (error === undefined) await buildServiceWorker(entry, outDir, precached)
    },
  }
}

function precacheEntry(fileName: string, content: string | Uint8Array): PrecacheEntry {
  const hashed = /^(assets|workers)\//.test(fileName)
  return { url: `/${fileName}`, revision: hashed ? null : createHash('sha256').update(content).digest('hex').slice(0, 16) }
}

async function buildServiceWorker(entry: string, outDir: string, precached: readonly PrecacheEntry[]): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    define: { 'self.__WB_MANIFEST': JSON.stringify(precached), 'process.env.NODE_ENV': '"production"' },
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: entry, output: { format: 'iife', entryFileNames: 'sw.js', codeSplitting: false } },
    },
  })
}
