import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'

/** Whether anything listens at a port of this machine. */
async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    return await once(socket, 'connect').then(
      () => true,
      () => false,
    )
  } finally {
    socket.destroy()
  }
}

/** Whether any process is left of a group. */
function isAlive(group: number): boolean {
  try {
    return process.kill(-group, 0)
  } catch {
    return false
  }
}

test('npm start says where the app is, serves it with a relay that it knows, and leaves nothing behind on Ctrl-C', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'yurt-start-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const env = { ...process.env, RELAY_DATA_DIR: dataDir, RELAY_PORT: '0', RELAY_FEDERATION_PORT: '0' }
  const program = spawn('npm', ['start', '--', '--port', '0'], { env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  const group = program.pid ?? 0
  onTestFinished(() => void (isAlive(group) && process.kill(-group, 'SIGKILL')))
  const said: string[] = []
  for await (const line of createInterface({ input: program.stdout })) {
    said.push(line)
    if (line.startsWith('Yurt')) break
  }
  const [, url = '', port = ''] =
    /^Yurt is running: open (http:\/\/localhost:(\d+)) in a browser\. Ctrl-C stops it\.$/.exec(said.at(-1) ?? '') ?? []
  const page = await fetch(url)
  expect(page.status).toBe(200)
  expect(page.headers.get('content-type')).toMatch(/^text\/html/)
  const relay = await (await fetch(`${url}/relay.json`)).json()
  expect(relay).toMatchObject({ event: 'ready', token: expect.any(String) })
  const ports = [Number(port), Number(/\/tcp\/(\d+)\//.exec(relay.address)?.[1])]
  expect(await Promise.all(ports.map(listens))).toEqual([true, true])
  // A terminal's Ctrl-C reaches the whole group.
  process.kill(-group, 'SIGINT')
  program.stdout.resume()
  await once(program, 'close')
  expect(await Promise.all(ports.map(listens))).toEqual([false, false])
  expect(isAlive(group)).toBe(false)
})
