import type { IncomingMessage } from 'node:http'
import { createHttpsClient, type HttpsClient, type HttpsClientOptions } from './https-client.ts'

export interface WebRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly maxBytes: number
  /** What is beyond `maxBytes` is left away, instead of failing. */
  readonly mayBeCut?: boolean
}

export interface WebAnswer {
  readonly status: number
  /** Where the redirects ended. */
  readonly url: URL
  readonly contentType: string
  readonly body: Buffer
}

/** Requests to the web on behalf of homeservers: guarded, bounded in bytes, time and redirects. */
export interface WebClient {
  send(wanted: WebRequest, signal: AbortSignal): Promise<WebAnswer>
  close(): void
}

const maxRedirects = 5
const timeoutMs = 15_000
const redirects: readonly number[] = [301, 302, 303, 307, 308]

/** The URL is not one that is fetched. */
export class UrlRefused extends Error {
  override name = 'UrlRefused'
}

export function createWebClient(options: HttpsClientOptions): WebClient {
  const client = createHttpsClient(options)
  return {
    send: async (wanted, signal) => {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      let url = wanted.url
      for (let followed = 0; followed <= maxRedirects; followed++) {
        const response = await sendOnce(client, { ...wanted, url }, limit)
        const { statusCode: status = 502 } = response
        const { location } = response.headers
        // Only what is asked for by GET is asked for elsewhere: a notification goes where the user said.
        if (wanted.method !== 'GET' || location === undefined || !redirects.includes(status)) {
          return { status, url, contentType: response.headers['content-type'] ?? '', body: await bodyOf(response, wanted) }
        }
        response.destroy()
        url = webUrl(new URL(location, url).href)
      }
      throw new UrlRefused('There are too many redirects')
    },
    close: client.close,
  }
}

/** The URL, where it is one of the web that may be fetched. Throws {@link UrlRefused}. */
export function webUrl(text: string): URL {
  const url = URL.parse(text)
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw new UrlRefused('This is no address of the web')
  if (url.username !== '' || url.password !== '') throw new UrlRefused('Addresses with user names are not fetched')
  return url
}

function sendOnce(client: HttpsClient, { method, url, headers, body }: WebRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isPlain = url.protocol === 'http:'
  return client.send({
    host,
    port: url.port === '' ? (isPlain ? 80 : 443) : Number(url.port),
    certificateName: host,
    method,
    path: url.pathname + url.search,
    headers: { ...headers, host: url.host, 'user-agent': 'Yurt', 'accept-encoding': 'identity' },
    ...(body === undefined ? {} : { body }),
    isPlain,
    signal,
  })
}

async function bodyOf(response: IncomingMessage, { maxBytes, mayBeCut = false }: WebRequest): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response) {
    pieces.push(piece)
    length += piece.length
    if (length <= maxBytes) continue
    response.destroy()
    if (!mayBeCut) throw new UrlRefused(`The answer exceeds ${maxBytes} bytes`)
    break
  }
  return Buffer.concat(pieces).subarray(0, maxBytes)
}
