import { defineConfig } from '@playwright/test'
import { chromiumArguments, chromiumPath } from './scripts/chromium.ts'

const port = 8430
const executablePath = chromiumPath()

export default defineConfig({
  testDir: 'test/browser',
  testMatch: '**/*.test.ts',
  outputDir: 'test-results/browser',
  forbidOnly: process.env.CI !== undefined,
  // Two cores: a browser and a homeserver in it are enough for them.
  workers: 1,
  timeout: 90_000,
  globalTimeout: 35 * 60_000,
  reporter: 'list',
  use: {
    baseURL: `http://localhost:${port}`,
    browserName: 'chromium',
    launchOptions: { ...(executablePath === undefined ? {} : { executablePath }), args: chromiumArguments() },
    trace: 'retain-on-failure',
  },
  webServer: {
    command: `${process.execPath} scripts/serve.ts --port ${port}`,
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
  },
})
