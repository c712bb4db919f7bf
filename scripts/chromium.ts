import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const commands = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

/** The path of the system's Chromium, or of the one that the environment variable `CHROMIUM` names; `undefined` without one. */
export function chromiumPath(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  const directories = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '')
  return commands.flatMap((command) => directories.map((directory) => join(directory, command))).find(isExecutable)
}

/** What every Chromium we start is given; tests with certificates of their own add `--ignore-certificate-errors`. */
export function chromiumArguments(): string[] {
  // Chromium refuses to sandbox root's processes, and /dev/shm is small in containers.
  return [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage']
}

/** Finds Chromium, or installs Debian's when this process may; answers whether there is one now. */
export function provideChromium(): boolean {
  if (chromiumPath() !== undefined) return true
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
    console.error('No Chromium was found: install it (apt-get install chromium), or name one in the variable CHROMIUM')
    return false
  }
  console.log('Installing Chromium (apt-get)…')
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const rest of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    if (spawnSync('apt-get', ['-qq', ...rest], { stdio: 'inherit', env: environment }).status !== 0) return false
  }
  return chromiumPath() !== undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
