import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What the ready line says of a homeserver. */
export interface Ready {
  readonly serverName: string
  readonly clientUrl: string
  readonly federationUrl: string
}

/** The headless program, running. */
export class HeadlessProgram {
  readonly homeservers: readonly Ready[]
  readonly #process: ChildProcess

  private constructor(process: ChildProcess, homeservers: readonly Ready[]) {
    this.#process = process
    this.homeservers = homeservers
  }

  /** Starts it as a user would, and resolves when it says that it is ready. */
  static async start(configFile: string): Promise<HeadlessProgram> {
    const child = spawn(process.execPath, ['headless/main.ts', '--config', configFile], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<never>((_, reject) => child.once('exit', (code) => reject(new Error(`headless ended with ${code}`))))
    const ready = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve))
    const { event, homeservers } = JSON.parse(await Promise.race([ready, ended]))
    ended.catch(() => undefined)
    if (event !== 'ready') throw new Error(`unexpected first line: ${event}`)
    return new HeadlessProgram(child, homeservers)
  }

  url(serverName: string): string {
    const found = this.homeservers.find((homeserver) => homeserver.serverName === serverName)
    if (!found) throw new Error(`${serverName} does not run`)
    return found.clientUrl
  }

  /** Sends the signal and resolves with the exit code, `null` after a kill. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    return new Promise((resolve) => {
      this.#process.once('exit', resolve)
      this.#process.kill(signal)
    })
  }
}
