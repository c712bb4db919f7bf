import { decodeJson } from '../src/http/relay-protocol.ts'
import { pageWishSchema, pushWishSchema, relayWeb } from '../src/http/relay-web.ts'
import { wireError, wireJson } from '../src/http/wire-response.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { badJson, forbidden, type MatrixError, notFound, unknownError } from '../src/spec/errors.ts'
import { AddressRefused } from './address-guard.ts'
import type { HttpsClientOptions } from './https-client.ts'
import { decodeHtml, openGraphOf } from './open-graph.ts'
import { createWebClient, UrlRefused, type WebClient, webUrl } from './web-client.ts'

/** Answers what homeservers ask of the web: pushes to gateways, previews of pages. Never rejects. */
export interface Web {
  answer(request: WireRequest, signal: AbortSignal): Promise<WireResponse>
  close(): void
}

interface WebDeps {
  readonly client: WebClient
  /** Push gateways without TLS, for tests. */
  readonly allowPlain: boolean
}

const maxPageBytes = 1 << 20
const maxImageBytes = 10 << 20
const maxGatewayBytes = 64 * 1024
const imageType = /^image\/(?:png|jpeg|gif|webp|avif|apng)\b/i

export function createWeb(options: HttpsClientOptions): Web {
  const client = createWebClient(options)
  const deps = { client, allowPlain: options.allowPrivateAddresses ?? false }
  const handlers: Readonly<Record<string, (deps: WebDeps, body: Uint8Array, signal: AbortSignal) => Promise<WireResponse>>> = {
    [relayWeb.push]: push,
    [relayWeb.preview]: preview,
    [relayWeb.image]: image,
  }
  return {
    answer: async ({ method, uri, body }, signal) => {
      const handle = method === 'POST' ? handlers[uri] : undefined
      if (!handle) return wireError(notFound())
      return handle(deps, body ?? new Uint8Array(), signal).catch((failure: unknown) => wireError(failed(failure)))
    },
    close: client.close,
  }
}

/** Pushes notifications, and does nothing else: to URLs of the Push Gateway API alone. */
async function push({ client, allowPlain }: WebDeps, body: Uint8Array, signal: AbortSignal): Promise<WireResponse> {
  const wish = decodeJson(pushWishSchema, body)
  if (!wish) return wireError(badJson('That is no notification'))
  const url = webUrl(wish.url)
  if (url.pathname !== '/_matrix/push/v1/notify' || (url.protocol !== 'https:' && !allowPlain)) {
    return wireError(forbidden('This is no push gateway'))
  }
  const answer = await client.send(
    {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(wish.body)),
      maxBytes: maxGatewayBytes,
    },
    signal,
  )
  return { status: answer.status, headers: { 'content-type': 'application/json' }, body: Uint8Array.from(answer.body) }
}

async function preview({ client }: WebDeps, body: Uint8Array, signal: AbortSignal): Promise<WireResponse> {
  const wish = decodeJson(pageWishSchema, body)
  if (!wish) return wireError(badJson('That is no address'))
  const answer = await client.send(
    {
      method: 'GET',
      url: webUrl(wish.url),
      headers: {
        accept: 'text/html,application/xhtml+xml,image/*;q=0.5',
        ...(wish.language === undefined ? {} : { 'accept-language': wish.language }),
      },
      maxBytes: maxPageBytes,
      mayBeCut: true,
    },
    signal,
  )
  if (answer.status !== 200) return wireError(unknownError(`The page answered ${answer.status}`, 502))
  if (imageType.test(answer.contentType)) return wireJson({ 'og:image': answer.url.href })
  if (!/^(?:text\/html|application\/xhtml\+xml)\b/i.test(answer.contentType)) return wireJson({})
  return wireJson(openGraphOf(decodeHtml(answer.body, answer.contentType), answer.url))
}

async function image({ client }: WebDeps, body: Uint8Array, signal: AbortSignal): Promise<WireResponse> {
  const wish = decodeJson(pageWishSchema, body)
  if (!wish) return wireError(badJson('That is no address'))
  const wanted = { method: 'GET', url: webUrl(wish.url), headers: { accept: 'image/*' }, maxBytes: maxImageBytes } as const
  const answer = await client.send(wanted, signal)
  if (answer.status !== 200 || !imageType.test(answer.contentType)) return wireError(unknownError('There is no image', 502))
  return { status: 200, headers: { 'content-type': answer.contentType }, body: Uint8Array.from(answer.body) }
}

function failed(failure: unknown): MatrixError {
  if (failure instanceof AddressRefused || failure instanceof UrlRefused) return forbidden(failure.message)
  return unknownError('The address cannot be reached', 502)
}
