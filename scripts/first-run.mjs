import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// This file runs on any Node from 20 on, before anything is installed: it imports Node's own modules only.

const root = fileURLToPath(new URL('..', import.meta.url))
const node24 = `${root}node_modules/node/bin/node`

/** Installs what package-lock.json names, unless it is installed already. Exits when that fails. */
function install() {
  if (isInstalled()) return
  console.log('Installing dependencies (npm ci)…')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], root)
  // Where npm is configured not to run install scripts, the one of the package `node` is run here.
  if (!existsSync(node24)) run(process.execPath, ['installArchSpecificPackage.js'], `${root}node_modules/node`)
}

/** Whether node_modules holds every required package at the version in package-lock.json. */
function isInstalled() {
  const hidden = `${root}node_modules/.package-lock.json`
  if (!existsSync(hidden) || !existsSync(node24)) return false
  const wanted = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')).packages
  const installed = JSON.parse(readFileSync(hidden, 'utf8')).packages
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || entry.devOptional || entry.peer || installed[path]?.version === entry.version,
  )
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`)
  process.exit(1)
}

/**
 * Installs the dependencies, then runs a script of this directory on the Node 24 among them with this process's
 * arguments, passes signals on and exits as it does.
 *
 * @param {string} script file name in scripts/
 */
export function runOnNode24(script) {
  install()
  const child = spawn(node24, [`${root}scripts/${script}`, ...process.argv.slice(2)], {
    cwd: root,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  stopWithNpm(() => child.kill('SIGTERM'))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(`${node24}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
}

/** npm passes signals to the shell between it and us, which dies of them and tells nobody: watch for that. */
function stopWithNpm(stop) {
  if (process.env.npm_lifecycle_event === undefined) return
  const shell = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(watch)
    stop()
  }, 250)
}
