import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'

const readyTimeoutMs = 30_000
const stopTimeoutMs = 5_000

export interface RelayProcess {
  /** The line of JSON with `"event":"ready"` that it printed: where it listens and how to be admitted. */
  readonly ready: object
  /** Rejects when the relay ends without having been asked to. */
  readonly failed: Promise<never>
  stop(): Promise<void>
}

interface RelayOptions {
  /** What the relay logs goes here. */
  readonly logFile: string
  /** Settled when nobody wants the relay any more. */
  readonly signal: Promise<void>
}

/** Starts relay/main.ts and waits until it says that it is ready. Rejects, naming the log, when it ends before or does not. */
export async function startRelay({ logFile, signal }: RelayOptions): Promise<RelayProcess> {
  mkdirSync(dirname(logFile), { recursive: true })
  const child = spawn(process.execPath, ['relay/main.ts'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const log = createWriteStream(logFile)
  // Standard output is the ready line alone, which holds the token.
  child.stderr.pipe(log, { end: false })
  const failed = new Promise<never>((_resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, reason) => reject(new Error(`The relay ended (${reason ?? `exit code ${code}`}); ${logFile} says why`)))
  })
  failed.catch(() => undefined)
  try {
    const late = rejectAfter(readyTimeoutMs, `The relay was not ready within ${readyTimeoutMs / 1000} s; see ${logFile}`)
    const unwanted = signal.then(() => Promise.reject(new Error('Stopped')))
    const ready = await Promise.race([readyLine(child), failed, late, unwanted])
    return { ready, failed, stop: () => stop(child) }
  } catch (error) {
    await stop(child)
    throw error
  }
}

function readyLine(child: ChildProcess): Promise<object> {
  return new Promise((resolve) => {
    if (child.stdout === null) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      const value = parsed(line)
      if (typeof value === 'object' && value !== null && 'event' in value && value.event === 'ready') resolve(value)
    })
  })
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function rejectAfter(timeoutMs: number, message: string): Promise<never> {
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(message)), timeoutMs).unref()
  })
}

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs).unref()
  })
}
