import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const installTimeoutMs = 9 * 60_000

/** Python packages in a virtual environment that is kept between runs. */
export interface PythonVenv {
  /** Its directory. */
  readonly path: string
  /** What pip is asked for. */
  readonly requirement: string
  /** A program that runs once the requirement is installed, and not before. */
  readonly check: string
}

/** The interpreter of an environment. */
export function pythonOf({ path }: PythonVenv): string {
  return join(path, 'bin/python')
}

/** Installs from PyPI, unless it is there. Answers why not, where there is no Python to do it with. */
export async function installVenv(venv: PythonVenv): Promise<string | undefined> {
  const end = Date.now() + installTimeoutMs
  const lock = `${venv.path}.lock`
  while (Date.now() < end) {
    if (existsSync(pythonOf(venv)) && (await isInstalled(venv))) return undefined
    // Test files run at the same time: one of them installs, the others wait.
    if (await taken(lock)) return install(venv).finally(() => rm(lock, { recursive: true, force: true }))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
  throw new Error(`${venv.requirement} was not installed in time; if nobody is at it, remove ${lock}`)
}

async function taken(lock: string): Promise<boolean> {
  await mkdir(dirname(lock), { recursive: true })
  return mkdir(lock).then(
    () => true,
    () => false,
  )
}

async function install(venv: PythonVenv): Promise<string | undefined> {
  try {
    await run('python3', ['-m', 'venv', venv.path])
  } catch {
    return 'no Python 3 with venv on this machine'
  }
  await run(pythonOf(venv), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', venv.requirement])
  return undefined
}

async function isInstalled(venv: PythonVenv): Promise<boolean> {
  return run(pythonOf(venv), ['-c', venv.check]).then(
    () => true,
    () => false,
  )
}
