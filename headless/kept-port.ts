import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The port is part of the page's origin, and the origin is where the browser keeps the data: it must stay the same. */
export async function keptPort(dataDir: string): Promise<number> {
  const text = await readFile(join(dataDir, 'page-port'), 'utf8').catch(() => '0')
  return Number(text)
}

export async function keepPort(dataDir: string, port: number): Promise<void> {
  await mkdir(dataDir, { recursive: true })
  await writeFile(join(dataDir, 'page-port'), String(port))
}
