import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { chromiumArguments, chromiumPath } from '../scripts/chromium.ts'

/** A Chromium that runs one page of ours, on a profile that is kept. */
export interface Browser {
  /** Resolves when the browser has ended, for whatever reason. */
  readonly ended: Promise<void>
  /** Ends it in an orderly way, and resolves when it has. */
  close(): Promise<void>
}

/** How long an orderly end may take before the browser is killed. */
const closeTimeoutMs = 5000

/**
 * Opens `url` in a headless Chromium. Nobody attaches a debugger, which would halve its speed; but its debugging pipe is open,
 * so that the browser ends when this process does, however that came about.
 */
export async function openBrowser(url: string, profileDirectory: string): Promise<Browser> {
  const path = chromiumPath()
  if (path === undefined) throw new Error('No Chromium was found: install it, or name one in the variable CHROMIUM')
  await mkdir(profileDirectory, { recursive: true })
  const browser = spawn(path, [...browserArguments(profileDirectory), url], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  const ended = new Promise<void>((resolve) => browser.once('exit', () => resolve()))
  return { ended, close: () => close(browser, ended) }
}

function browserArguments(profileDirectory: string): string[] {
  return [
    '--headless=new',
    '--remote-debugging-pipe',
    `--user-data-dir=${profileDirectory}`,
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-gpu',
    '--disable-quic',
    '--disable-sync',
    '--disable-extensions',
    '--disable-component-update',
    '--disable-background-networking',
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding',
    ...chromiumArguments(),
  ]
}

async function close(browser: ChildProcess, ended: Promise<void>): Promise<void> {
  // Browser.close over the pipe lets Chromium write its profile out; the signal is for one that does not listen.
  const pipe = browser.stdio[3]
  if (pipe && 'write' in pipe) pipe.write(`${JSON.stringify({ id: 1, method: 'Browser.close' })}\0`)
  const timer = setTimeout(() => browser.kill('SIGKILL'), closeTimeoutMs)
  await ended
  clearTimeout(timer)
}
