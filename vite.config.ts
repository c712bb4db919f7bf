import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { pagesAtRoot, repairWebRtcRace, serviceWorker } from './scripts/vite-plugins.ts'

export default defineConfig({
  plugins: [react(), repairWebRtcRace(), pagesAtRoot(), serviceWorker('worker/service-worker.ts')],
  build: {
    target: 'es2022',
    manifest: true,
    modulePreload: false,
    rolldownOptions: { input: ['demo/index.html', 'demo/client-start.html', 'worker/tab-host.html'] },
  },
  worker: {
    format: 'es',
    // A directory of their own: they are served under their own policy.
    rolldownOptions: {
      output: {
        entryFileNames: 'workers/[name]-[hash].js',
        chunkFileNames: 'workers/[name]-[hash].js',
        // One file for all that a start needs, and one for what two or more of the chunks loaded later need.
        codeSplitting: {
          groups: [
            { name: 'start', tags: ['$initial'], priority: 1 },
            { name: 'shared', minShareCount: 2 },
          ],
        },
      },
    },
  },
})
