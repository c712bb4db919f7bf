import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { pagesAtRoot, repairWebRtcRace, serviceWorker, workerOutput } from './scripts/vite-plugins.ts'

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
    rolldownOptions: { output: workerOutput },
  },
})
