import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { parseArgs } from 'node:util'
import { pageHeaders } from '../worker/page-headers.ts'
import { isFirstVisit, type MountedClient, ownFile } from './mounted-client.ts'
import { type Answer, fileAnswer, jsonAnswer, textAnswer } from './static-files.ts'

export interface StaticServerOptions {
  /** The directory that is served. */
  readonly directory: string
  /** 0 picks a free one. */
  readonly port: number
  /** Paths answered with a JSON value instead of a file, to pages of this machine only. */
  readonly json?: Readonly<Record<string, unknown>>
  /** A client of others that is served at `/`; our own app is then at `/yurt.html`. */
  readonly client?: MountedClient
  /** Takes over connections that ask for another protocol, such as WebSockets. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

export interface StaticServer {
  /** `http://localhost:PORT`; any other host name that leads here is answered alike, as an origin of its own. */
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** Serves a built directory on loopback (IPv4, and IPv6 where there is one). Rejects when the port is taken. */
export async function startStaticServer(options: StaticServerOptions): Promise<StaticServer> {
  const first = await listen(options, '127.0.0.1', options.port)
  if (first === undefined) throw new Error('127.0.0.1 is not available')
  const { port } = first.address() as AddressInfo
  const second = await listen(options, '::1', port).catch((error: unknown) => {
    first.close()
    throw error
  })
  const servers = second === undefined ? [first] : [first, second]
  return {
    url: `http://localhost:${port}`,
    port,
    close: async () => {
      await Promise.all(servers.map(close))
    },
  }
}

function listen(options: StaticServerOptions, host: string, port: number): Promise<Server | undefined> {
  const server = createServer((request, response) => void respond(options, request, response))
  if (options.upgrade) server.on('upgrade', options.upgrade)
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') resolve(undefined)
      else reject(error)
    })
    server.listen(port, host, () => resolve(server))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function respond(options: StaticServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await answerTo(options, request).catch((): Answer => textAnswer(500, 'Internal server error'))
  response.writeHead(answer.status, { 'Content-Length': Buffer.byteLength(answer.body), ...answer.headers })
  response.end(request.method === 'HEAD' ? undefined : answer.body)
}

async function answerTo({ directory, client, json = {} }: StaticServerOptions, request: IncomingMessage): Promise<Answer> {
  const path = pathOf(request.url ?? '/')
  if (path === undefined) return textAnswer(400, 'Bad request')
  // A homeserver's paths are answered by the service worker: whoever gets here has none.
  if (path.startsWith('/_matrix/')) {
    return jsonAnswer(404, { errcode: 'M_UNRECOGNIZED', error: 'No homeserver answers here: open the page in a browser' })
  }
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { ...textAnswer(405, 'Method not allowed'), headers: { Allow: 'GET, HEAD' } }
  if (Object.hasOwn(json, path)) return isLoopbackName(request.headers.host) ? jsonAnswer(200, json[path]) : textAnswer(403, 'Forbidden')
  const file = path.endsWith('/') ? `${path}index.html` : path
  const found = client ? clientAnswer(client, request, { directory, path: file }) : ownAnswer(directory, file)
  return (await found) ?? textAnswer(404, 'Not found')
}

/** The decoded path of a request target; `undefined` for one that is malformed or would leave the directory. */
function pathOf(target: string): string | undefined {
  try {
    const path = decodeURIComponent(target.split(/[?#]/, 1)[0] ?? '')
    return path.startsWith('/') && !/\0|\\|(^|\/)\.\.?(\/|$)/.test(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** Guards against a foreign name that was rebound to this machine. */
function isLoopbackName(host: string | undefined): boolean {
  return /^(([a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host ?? '')
}

/** Our own file; `undefined` where there is none. */
function ownAnswer(directory: string, path: string): Promise<Answer | undefined> {
  return fileAnswer(join(directory, path), {
    'Cache-Control': /^\/(assets|workers)\//.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...pageHeaders(path),
  })
}

async function clientAnswer(client: MountedClient, request: IncomingMessage, { directory, path }: { directory: string; path: string }) {
  if (isFirstVisit(path, request)) return ownAnswer(directory, '/client-start.html')
  return (await client.answer(path, request)) ?? ownAnswer(directory, ownFile(path))
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8420' }, directory: { type: 'string', default: 'dist' } } })
  const server = await startStaticServer({ directory: values.directory, port: Number(values.port) })
  console.log(`Serving ${values.directory} on ${server.url}`)
}
