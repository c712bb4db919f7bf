import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { LinkRequest, MessageLink } from './message-link.ts'

const maxBodyBytes = 100 << 20

/** An HTTP front of a homeserver in a page. */
export interface Front {
  readonly port: number
  close(): Promise<void>
}

interface FrontOptions {
  readonly surface: LinkRequest['surface']
  readonly port: number
  /** The link to the page, as long as there is one. */
  readonly link: () => MessageLink | undefined
  /** With it the front speaks HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

/** Listens on 127.0.0.1 and hands every request to the page. Rejects when the port is taken. */
export async function openFront(options: FrontOptions): Promise<Front> {
  const listener: RequestListener = (request, response) => void respond(options, request, response)
  const server: Server = options.tls ? createHttpsServer(options.tls, listener) : createHttpServer(listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function respond(options: FrontOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  try {
    const link = options.link()
    if (!link) throw new Error('The page is not there')
    const body = await readBody(request)
    if (!body) return answer(response, 413, 'M_TOO_LARGE')
    const answered = await link.request(
      {
        surface: options.surface,
        address: request.socket.remoteAddress ?? 'unknown',
        to: '',
        request: {
          method: request.method ?? 'GET',
          uri: request.url ?? '/',
          headers: { ...headersOf(request), 'x-forwarded-proto': options.tls ? 'https' : 'http' },
          ...(body.byteLength > 0 ? { body } : {}),
        },
      },
      gone.signal,
    )
    const answeredBody = new Uint8Array(await new Response(answered.body).arrayBuffer())
    response.writeHead(answered.status, { ...answered.headers, 'content-length': answeredBody.byteLength })
    response.end(answeredBody)
  } catch {
    if (!response.headersSent) answer(response, 503, 'M_UNKNOWN')
  }
}

function answer(response: ServerResponse, status: number, errcode: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify({ errcode, error: status === 413 ? 'The body is too large' : 'The homeserver is not running' }))
}

async function readBody(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length > maxBodyBytes) return undefined
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function headersOf(request: IncomingMessage): Record<string, string> {
  const entries = Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')])
  return Object.fromEntries(entries)
}
