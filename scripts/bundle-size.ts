import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

interface ManifestEntry {
  readonly file: string
  readonly src?: string
  readonly imports?: readonly string[]
  readonly dynamicImports?: readonly string[]
  readonly isDynamicEntry?: boolean
}

interface Budget {
  readonly part: string
  readonly limitKb: number
  readonly files: readonly string[]
}

const dist = 'dist'

function main(): boolean {
  const budgets: readonly Budget[] = [
    { part: 'service worker', limitKb: 10, files: existsSync(join(dist, 'sw.js')) ? ['sw.js'] : [] },
    { part: 'homeserver worker', limitKb: 150, files: workerScripts(true) },
    { part: 'its lazy chunks', limitKb: 80, files: workerScripts(false) },
    { part: 'libp2p chunk', limitKb: 200, files: libp2pFiles() },
  ]
  const rows = budgets.map((budget) => ({ ...budget, sizeKb: budget.files.reduce((sum, file) => sum + gzipKb(file), 0) }))
  for (const { part, limitKb, files, sizeKb } of rows) {
    const verdict = files.length === 0 ? 'MISSING' : sizeKb > limitKb ? 'OVER BUDGET' : 'ok'
    console.log(`${part.padEnd(20)}${sizeKb.toFixed(1).padStart(8)} KB gzip of ${String(limitKb).padStart(4)} KB  ${verdict}`)
  }
  return rows.every(({ limitKb, files, sizeKb }) => files.length > 0 && sizeKb <= limitKb)
}

function gzipKb(file: string): number {
  return gzipSync(readFileSync(join(dist, file)), { level: 9 }).length / 1024
}

/** The scripts of the homeserver worker: those that its start loads, or those that it loads when they are first needed. */
function workerScripts(atStart: boolean): string[] {
  const directory = join(dist, 'workers')
  const all = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.js')) : []
  const started = new Set(all.filter((name) => name.startsWith('homeserver-worker-')))
  for (const name of started) {
    const imported = readFileSync(join(directory, name), 'utf8').matchAll(/(?:\bfrom|\bimport)\s*["']\.\/([^"']+)["']/g)
    for (const [, file = ''] of imported) started.add(file)
  }
  return all.filter((name) => started.has(name) === atStart).map((name) => join('workers', name))
}

/** What a page loads when it starts libp2p and did not have before: its lazily loaded entries with all that they import. */
function libp2pFiles(): string[] {
  const path = join(dist, '.vite', 'manifest.json')
  if (!existsSync(path)) return []
  const manifest: Record<string, ManifestEntry> = JSON.parse(readFileSync(path, 'utf8'))
  const reachable = (keys: readonly string[], lazily: boolean, seen = new Set<string>()): Set<string> => {
    for (const key of keys) {
      if (seen.has(key)) continue
      seen.add(key)
      const entry = manifest[key]
      reachable([...(entry?.imports ?? []), ...(lazily ? (entry?.dynamicImports ?? []) : [])], lazily, seen)
    }
    return seen
  }
  const entries = Object.keys(manifest).filter((key) => manifest[key]?.isDynamicEntry && /libp2p/.test(manifest[key]?.src ?? ''))
  const before = reachable(['worker/tab-host.html'], false)
  const loaded = [...reachable(entries, true)].filter((key) => !before.has(key))
  return [...new Set(loaded.flatMap((key) => manifest[key]?.file ?? []))]
}

process.exitCode = main() ? 0 : 1
