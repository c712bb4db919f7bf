import { defineConfig } from 'vite'

export default defineConfig({
  root: 'headless',
  build: {
    target: 'es2022',
    outDir: '../dist-headless',
    emptyOutDir: true,
    modulePreload: false,
    rolldownOptions: { input: ['headless/page.html'] },
  },
  worker: {
    format: 'es',
    rolldownOptions: { output: { entryFileNames: 'workers/[name]-[hash].js', chunkFileNames: 'workers/[name]-[hash].js' } },
  },
})
