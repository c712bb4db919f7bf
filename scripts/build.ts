import { spawnSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'

/** What is built, from what, and the file that tells when. */
const builds = {
  app: {
    sources: ['{src,worker,demo}/**', 'scripts/vite-plugins.ts', 'vite.config.ts', 'package-lock.json'],
    built: 'dist/sw.js',
    config: 'vite.config.ts',
  },
  headless: {
    sources: ['{src,worker,headless}/**', 'package-lock.json'],
    built: 'dist-headless/page.html',
    config: 'headless/vite.config.ts',
  },
} as const

/** Builds dist/, or the headless program's page, unless it is newer than all that it is made from; answers whether it is there. */
export function buildIfStale(what: keyof typeof builds = 'app'): boolean {
  const { sources, built, config } = builds[what]
  const builtAt = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const isFresh = globSync([...sources]).every((path) => statSync(path).mtimeMs <= builtAt)
  if (isFresh) return true
  console.error('Building…')
  const command = ['node_modules/vite/bin/vite.js', 'build', '--config', config, '--logLevel', 'warn']
  return spawnSync(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}
