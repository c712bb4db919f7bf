import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildIfStale } from '../../scripts/build.ts'
import { HeadlessProgram } from '../headless/program.ts'
import { freePort } from '../interop/free-port.ts'
import { line, median, raw } from './report.ts'

/** How long it takes until headless homeservers are ready: new ones, and the same ones started again on their data. */
export async function benchHeadless(): Promise<void> {
  if (!buildIfStale('headless')) throw new Error('The build failed')
  for (const count of [1, 3]) {
    const directory = await mkdtemp(join(tmpdir(), 'yurt-bench-headless-'))
    const file = await configuration(directory, count)
    const [first, ...again] = [await msUntilReady(file), await msUntilReady(file), await msUntilReady(file), await msUntilReady(file)]
    line(`headless: ${count} new, until ready`, `${Math.round(first)} ms`)
    line(`headless: ${count} on what they keep, until ready`, `${Math.round(median(again))} ms`)
    raw('runs', again)
    await rm(directory, { recursive: true })
  }
}

async function msUntilReady(configFile: string): Promise<number> {
  const began = performance.now()
  const program = await HeadlessProgram.start(configFile)
  const taken = performance.now() - began
  await program.stop('SIGTERM')
  return taken
}

async function configuration(directory: string, count: number): Promise<string> {
  const homeservers = []
  for (let index = 1; index <= count; index++) {
    const serverName = `hs${index}`
    homeservers.push({ serverName, clientPort: await freePort(), federationPort: await freePort(), dataDir: join(directory, serverName) })
  }
  const file = join(directory, 'config.json')
  await writeFile(file, JSON.stringify({ homeservers, openRegistration: true, fastPasswordHash: true }))
  return file
}
