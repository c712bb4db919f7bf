import { defineConfig } from 'vitest/config'
import { planted } from './fault.ts'
import { faults } from './faults.ts'

/** Names the fault to plant; none for a run of the same tests on the source as it is. */
const wanted = process.env.YURT_FAULT
const fault = faults.find(({ name }) => name === wanted)
if (wanted !== undefined && !fault) throw new Error(`no fault is called "${wanted}"`)

export default defineConfig({
  root: process.cwd(),
  plugins: [
    {
      name: 'plant-a-fault',
      enforce: 'pre',
      transform: (code, id) => (fault && id.split('?')[0]?.endsWith(`/${fault.file}`) ? planted(fault, code) : undefined),
    },
  ],
  test: {
    include: ['test/{unit,contract,simulation}/**/*.test.ts'],
    environment: 'node',
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // What is kept between runs knows nothing of the fault.
    fsModuleCache: false,
  },
})
