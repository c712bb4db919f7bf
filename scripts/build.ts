import { spawnSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'

const sources = ['{src,worker,demo}/**', 'scripts/vite-plugins.ts', 'vite.config.ts', 'package-lock.json']

/** Builds dist/ unless it is newer than all that it is made from; answers whether it is there. */
export function buildIfStale(): boolean {
  const built = statSync('dist/sw.js', { throwIfNoEntry: false })?.mtimeMs ?? 0
  const isFresh = globSync(sources).every((path) => statSync(path).mtimeMs <= built)
  if (isFresh) return true
  console.log('Building…')
  return spawnSync(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'], { stdio: 'inherit' }).status === 0
}
