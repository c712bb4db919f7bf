import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { installVenv, type PythonVenv, pythonOf } from '../interop/python-venv.ts'

const venv: PythonVenv = {
  path: process.env.NIO_VENV ?? join(import.meta.dirname, '../../.cache/nio-venv'),
  requirement: 'matrix-nio[e2e]==0.26.0',
  check: 'import nio, vodozemac',
}

/** Installs matrix-nio from PyPI, unless it is there. Answers why not, where there is no Python to do it with. */
export function installNio(): Promise<string | undefined> {
  return installVenv(venv)
}

/** Clients of matrix-nio, which keeps its Python in a process of its own. They do one thing after the other. */
export class NioClients {
  readonly #process: ChildProcess
  readonly #answers: AsyncIterator<string>

  /** @param directory where the clients store their keys and their sync tokens */
  constructor(directory: string, homeserverUrl: string) {
    const program = join(import.meta.dirname, 'nio-clients.py')
    const child = spawn(pythonOf(venv), [program, directory, homeserverUrl], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#process = child
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** Has a client do something, by the names of `nio-clients.py`; rejects when it fails. */
  async have<T>(client: string, action: string, ...parameters: readonly unknown[]): Promise<T> {
    this.#process.stdin?.write(`${JSON.stringify({ as: client, do: action, with: parameters })}\n`)
    const { value } = await this.#answers.next()
    const { result, error } = JSON.parse(value ?? '{"error":"matrix-nio ended"}')
    if (error !== undefined) throw new Error(`${client} ${action}: ${error}`)
    return result
  }

  /** Ends them as a user closes a client. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#process.once('exit', () => resolve())
      this.#process.stdin?.end()
    })
  }
}
