import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keptCertificate } from '../../headless/certificates.ts'
import { MatrixUser } from '../headless/matrix-user.ts'
import { HeadlessProgram } from '../headless/program.ts'
import { freePort } from '../interop/free-port.ts'
import { installSynapse, Synapse } from '../interop/synapse.ts'
import { RemoteRoomServer } from './remote-room-server.ts'
import { line, median, raw } from './report.ts'
import { rulesFor } from './rules.ts'

const runs = 3

interface Tls {
  readonly cert: string
  readonly key: string
}

/**
 * Measures how long a user waits who joins a room of `members` users of another server: in a tab (real Chromium, IndexedDB), and
 * in Synapse, of the same rooms. The other server gives the whole state, in memory, over HTTPS on loopback.
 */
export async function benchJoin(members: number, { alone }: { readonly alone: boolean }): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'yurt-bench-join-'))
  const tls = await keptCertificate(join(directory, 'tls'), 'localhost')
  const rooms: HostedRoom[] = []
  try {
    for (let run = 0; run < runs; run++) rooms.push(await HostedRoom.open(members, tls))
    const ours = await inTab(directory, rooms)
    const missing = alone ? 'it was not asked for' : await installSynapse()
    const theirs = missing === undefined ? await inSynapse(directory, tls, rooms) : []
    if (missing !== undefined) console.log(`Synapse is not measured: ${missing}`)
    const beside = theirs.length > 0 ? `Synapse ${median(theirs).toFixed(0)} ms, ${(median(theirs) / median(ours)).toFixed(1)} times` : ''
    const transfer = `${((rooms[0]?.bytes ?? 0) / 2 ** 20).toFixed(1)} MB`
    line(`join of a room of ${members} members`, `${median(ours).toFixed(0)} ms`, [transfer, beside].filter(Boolean).join('; '))
    raw('ours', ours)
    raw('Synapse', theirs)
  } finally {
    for (const room of rooms) await room.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** A room on a server of its own. */
class HostedRoom {
  readonly server: RemoteRoomServer
  readonly #https
  /** Of the largest answer. */
  bytes = 0

  private constructor(server: RemoteRoomServer, tls: Tls) {
    this.server = server
    this.#https = createServer(tls, (request, response) => void this.#answer(request, response))
  }

  static async open(members: number, tls: Tls): Promise<HostedRoom> {
    const port = await freePort()
    const room = new HostedRoom(new RemoteRoomServer(rulesFor('12'), { members, length: 0 }, `localhost:${port}`), tls)
    await new Promise<void>((resolve) => room.#https.listen(port, '127.0.0.1', resolve))
    return room
  }

  async close(): Promise<void> {
    this.#https.closeAllConnections()
    await new Promise((resolve) => this.#https.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = 'GET', url: uri = '/' } = request
    const answer = await this.server.request('', { method, uri, headers: {}, body: Uint8Array.from(Buffer.concat(chunks)) })
    if (!(answer.body instanceof Uint8Array)) throw new Error('the answer is a stream')
    this.bytes = Math.max(this.bytes, answer.body.byteLength)
    response.writeHead(answer.status, answer.headers).end(answer.body)
  }
}

async function inTab(directory: string, rooms: readonly HostedRoom[]): Promise<number[]> {
  const [clientPort, federationPort] = [await freePort(), await freePort()]
  const file = join(directory, 'headless.json')
  const homeserver = { serverName: `localhost:${federationPort}`, clientPort, federationPort, dataDir: 'tab' }
  const options = { openRegistration: true, rateLimits: false, allowPrivateAddresses: true, fastPasswordHash: true }
  await writeFile(file, JSON.stringify({ homeservers: [homeserver], trustedCaFiles: [join(directory, 'tls', 'ca.pem')], ...options }))
  const program = await HeadlessProgram.start(file)
  try {
    const user = await MatrixUser.register(program.url(homeserver.serverName), 'joiner')
    return await joinTimes(rooms, (roomId, via) => user.join(roomId, via))
  } finally {
    await program.stop('SIGTERM')
  }
}

async function inSynapse(directory: string, tls: Tls, rooms: readonly HostedRoom[]): Promise<number[]> {
  const [federationPort, clientPort] = [await freePort(), await freePort()]
  const trustedCa = await readFile(join(directory, 'tls', 'ca.pem'), 'utf8')
  const synapse = new Synapse({ dir: join(directory, 'synapse'), federationPort, clientPort, tls, trustedCa })
  await synapse.start()
  try {
    const user = await synapse.register('joiner')
    return await joinTimes(rooms, (roomId, via) => user.join(roomId, via))
  } finally {
    await synapse.stop()
  }
}

async function joinTimes(rooms: readonly HostedRoom[], join: (roomId: string, via: string) => Promise<unknown>): Promise<number[]> {
  const taken: number[] = []
  for (const { server } of rooms) {
    const began = performance.now()
    await join(server.roomId, server.serverName)
    taken.push(performance.now() - began)
  }
  return taken
}
