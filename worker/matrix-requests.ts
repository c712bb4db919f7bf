import type { BridgeLink } from './bridge-link.ts'
import type { BridgeLinks } from './bridge-links.ts'
import { wholeOrStream } from './port-body.ts'
import type { BridgeResponse } from './protocol.ts'

const leaderWithinMs = 15_000
/** A page that is opened brings a tab host along, and so a leader: it waits less, and comes again. */
const leaderForPageWithinMs = 3000
const repeatWithinMs = 20_000
const ownPaths = /^\/(_matrix|_yurt|\.well-known\/matrix)\/|^\/_synapse\/admin\/v1\/(register$|registration_tokens\b|media\/)/
/** Pages of the homeserver itself, on which users let clients in, show who they are, and manage their accounts. */
const ownPages = /^\/_matrix\/(oauth2\/(authorize|link|account)|client\/v3\/auth\/[^/]+\/fallback\/web|static\/client\/login\/?)$/
const mediaPaths = /^\/_matrix\/(client\/v1\/media|media\/[^/]+)\/(download|thumbnail)\//
const mediaDestinations: readonly string[] = ['image', 'video', 'audio']

/** Whether the homeserver answers this path of its origin. */
export function isHomeserverPath(path: string): boolean {
  return ownPaths.test(path)
}

/**
 * Answers a request of a page from the leader's homeserver worker. If that dies, the request is put to the next leader; it
 * never hangs: without a leader the answer is a 503.
 */
export async function answerFromHomeserver(
  { request, clientId }: Pick<FetchEvent, 'request' | 'clientId'>,
  links: BridgeLinks,
): Promise<Response> {
  const { pathname } = new URL(request.url)
  const media = mediaDestinations.includes(request.destination) && request.method === 'GET' && mediaPaths.test(pathname)
  if (!media && !isPlainFetch(request, pathname)) return refused()
  const outgoing = {
    method: request.method,
    url: request.url,
    headers: [...request.headers],
    body: await bodyOf(request),
    clientId,
    vouched: media,
    requestId: ['GET', 'HEAD', 'OPTIONS'].includes(request.method) ? undefined : crypto.randomUUID(),
  }
  let deadline: number | undefined
  for (;;) {
    const isPage = request.mode === 'navigate' && request.method === 'GET'
    const link = await links.find(deadline ?? Date.now() + (isPage ? leaderForPageWithinMs : leaderWithinMs))
    if (!link) return isPage ? startingPage() : unavailable('No tab of this homeserver answers')
    const outcome = await link.exchange(outgoing, request.signal)
    if (outcome !== 'lost') return responseOf(outcome, link)
    if (outgoing.body instanceof ReadableStream) return unavailable('The homeserver stopped while it took the upload')
    deadline ??= Date.now() + repeatWithinMs
    if (Date.now() > deadline) return unavailable('The homeserver stops again and again')
  }
}

/** Scripts, frames, objects and navigations have no business with an API whose answers others wrote. */
function isPlainFetch({ destination, mode }: Request, pathname: string): boolean {
  if (mode === 'navigate') return destination === 'document' && ownPages.test(pathname)
  return destination === ''
}

async function bodyOf(request: Request) {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined
  // Firefox has no `body` on requests.
  return 'body' in request ? wholeOrStream(request.body) : new Uint8Array(await new Response(request).arrayBuffer())
}

function responseOf({ status, headers, body }: BridgeResponse, link: BridgeLink): Response {
  const content = body instanceof ReadableStream ? body.pipeThrough(new TransformStream(), { signal: link.ended }) : body
  return new Response(content ?? null, { status, headers: headers.map(([name, value]): [string, string] => [name, value]) })
}

function refused(): Response {
  return matrixError(403, 'M_FORBIDDEN', 'This is an API: it is not shown as a page, a script or a frame')
}

/** Once the tab host is put into it, this page starts the homeserver; then it asks again for what was wanted. */
function startingPage(): Response {
  const html =
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3"><title>Starting</title><body><p>The homeserver starts…</p></body></html>'
  const policy = "default-src 'none'; frame-src 'self'; frame-ancestors 'none'"
  return new Response(html, { headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy } })
}

function unavailable(error: string): Response {
  return matrixError(503, 'M_UNKNOWN', error)
}

function matrixError(status: number, errcode: string, error: string): Response {
  return Response.json({ errcode, error }, { status, headers: { 'access-control-allow-origin': '*' } })
}
