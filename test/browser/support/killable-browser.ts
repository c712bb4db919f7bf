import { spawn } from 'node:child_process'
import { type Browser, chromium } from '@playwright/test'
import { chromiumArguments, chromiumPath } from '../../../scripts/chromium.ts'

export interface KillableBrowser {
  readonly browser: Browser
  /** Ends all its processes at once, without warning. */
  kill(): Promise<void>
}

/** Starts Chromium on a profile that outlives it. */
export async function startKillableBrowser(profile: string): Promise<KillableBrowser> {
  const executable = chromiumPath()
  if (executable === undefined) throw new Error('No Chromium was found')
  const args = ['--headless', '--remote-debugging-port=0', `--user-data-dir=${profile}`, '--no-first-run', ...chromiumArguments()]
  // A process group of its own, so that all of it can be killed in one step.
  const child = spawn(executable, [...args, 'about:blank'], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const endpoint = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stderr.on('data', (data: Buffer) => {
      output += String(data)
      const found = /DevTools listening on (ws:\S+)/.exec(output)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('exit', () => reject(new Error(`Chromium did not start: ${output}`)))
  })
  const browser = await chromium.connectOverCDP(endpoint)
  return {
    browser,
    kill: async () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
      await exited
    },
  }
}
