import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'

/** The relay as an operator runs it: a process of its own, configured by a file. */
export class RelayProgram {
  /** Where tabs dial it, and the token that admits them; known once it has started. */
  ready: { readonly address: string; readonly token: string } = { address: '', token: '' }
  readonly #dir: string
  #process: ChildProcess | undefined

  /** `dir` holds its data and its log. */
  constructor(dir: string) {
    this.#dir = dir
  }

  async configure(config: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFile(this.#configFile, JSON.stringify({ dataDir: join(this.#dir, 'data'), ...config }))
  }

  /** Starts, or starts again on the same data. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, ['relay/main.ts', '--config', this.#configFile], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    let log = ''
    child.stderr.on('data', (piece) => {
      log += piece
    })
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`the relay ended: ${log}`)))
    const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
    ended.catch(() => undefined)
    this.ready = JSON.parse(line)
  }

  /** How many transactions it keeps for homeservers that sleep. */
  mail(): number {
    const database = new DatabaseSync(join(this.#dir, 'data', 'relay.sqlite'), { readOnly: true })
    try {
      return Number(database.prepare('SELECT count(*) AS mails FROM mail').get()?.mails)
    } finally {
      database.close()
    }
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  get #configFile(): string {
    return join(this.#dir, 'relay.json')
  }
}
