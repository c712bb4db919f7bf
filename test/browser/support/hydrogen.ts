import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test as base } from '@playwright/test'
import { build } from 'vite'
import { buildIfStale } from '../../../scripts/build.ts'
import { MountedClient } from '../../../scripts/mounted-client.ts'
import { type StaticServer, startStaticServer } from '../../../scripts/serve.ts'

const sdk = 'node_modules/hydrogen-view-sdk'
const olm = 'node_modules/@matrix-org/olm'
/** What Hydrogen loads besides its program, as its own build lays it out. */
const assets = [
  `${sdk}/lib-build/sw.js`,
  `${sdk}/asset-build/assets/main.js`,
  `${sdk}/asset-build/assets/download-sandbox.html`,
  `${sdk}/asset-build/assets/theme-element-light.css`,
  `${olm}/olm.js`,
  `${olm}/olm_legacy.js`,
  `${olm}/olm.wasm`,
]

/** Builds Hydrogen as whoever hosts it does, configured for a server of the world, into a new directory. */
async function buildHydrogen(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'yurt-hydrogen-'))
  await build({
    configFile: false,
    logLevel: 'error',
    root: 'test/browser/hydrogen',
    base: './',
    build: { outDir: directory, emptyOutDir: false, target: 'es2022', minify: false },
  })
  for (const asset of assets) await copyFile(asset, join(directory, basename(asset)))
  await writeFile(join(directory, 'config.json'), JSON.stringify({ defaultHomeServer: 'matrix.org', push: null, themeManifests: [] }))
  return directory
}

/** A test of Hydrogen, mounted as `npm start -- --client` mounts it, at an origin of the test's own. */
export const hydrogen = base.extend<{ server: StaticServer }, { hydrogen: MountedClient }>({
  hydrogen: [
    async ({ browserName: _ }, use) => {
      if (!buildIfStale()) throw new Error('The build failed')
      const directory = await buildHydrogen()
      await use(await MountedClient.read(directory))
      await rm(directory, { recursive: true })
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  server: async ({ hydrogen }, use) => {
    const server = await startStaticServer({ directory: 'dist', port: 0, client: hydrogen })
    await use(server)
    await server.close()
  },
})
