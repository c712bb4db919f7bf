import { defineConfig } from 'vitest/config'

const minuteMs = 60_000

/** One project for each directory of test/ that Vitest runs; the first number bounds a test, the second a hook. */
function layer(name: string, testTimeout: number, hookTimeout = testTimeout) {
  return { test: { name, include: [`test/${name}/**/*.test.ts`], environment: 'node', testTimeout, hookTimeout } }
}

export default defineConfig({
  test: {
    projects: [
      layer('unit', 20_000),
      layer('contract', 30_000),
      layer('simulation', 10 * minuteMs),
      layer('headless', 3 * minuteMs),
      // Synapse is installed and started in a hook.
      layer('interop', 5 * minuteMs, 10 * minuteMs),
    ],
  },
})
