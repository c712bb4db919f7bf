import { type Endpoint, open } from '../../http/endpoint.ts'
import { readBytes } from '../../http/json-body.ts'
import { invalidParam, MatrixError, missingParam, notFound } from '../../spec/errors.ts'
import type { Rendezvous, RendezvousSession } from '../../users/rendezvous.ts'

const path = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous'
/** Bytes that one device may leave for the other. */
const maxBytes = 4096

/** Where devices meet to log one in by a QR code (MSC4108, as Synapse's `rust/src/rendezvous/mod.rs` serves it). */
export function rendezvousEndpoints({ rendezvous }: { readonly rendezvous: Rendezvous }): Endpoint[] {
  const known = (id = ''): RendezvousSession => {
    const session = rendezvous.get(id)
    if (!session) throw notFound('There is no such rendezvous')
    return session
  }
  return [
    open({
      method: 'POST',
      path,
      handle: async ({ request }) => {
        const { id, session } = rendezvous.create(await textOf(request))
        const body = JSON.stringify({ url: `${new URL(request.url).origin}${path}/${id}` })
        return new Response(body, { status: 201, headers: { ...headersOf(session), 'content-type': 'application/json' } })
      },
    }),
    open({
      method: 'GET',
      path: `${path}/:id`,
      handle: ({ request, params }) => {
        const session = known(params.id)
        const isKnown = etagsOf(request.headers.get('if-none-match')).includes(session.etag)
        if (isKnown) return new Response(null, { status: 304, headers: headersOf(session) })
        return new Response(session.data, { headers: { ...headersOf(session), 'content-type': 'text/plain' } })
      },
    }),
    open({
      method: 'PUT',
      path: `${path}/:id`,
      handle: async ({ request, params }) => {
        const data = await textOf(request)
        const expected = request.headers.get('if-match')
        if (expected === null) throw missingParam('If-Match is missing')
        const session = known(params.id)
        if (!etagsOf(expected).some((etag) => etag === session.etag || etag === '*')) {
          const fields = { 'org.matrix.msc4108.errcode': 'M_CONCURRENT_WRITE' }
          throw new MatrixError(412, 'M_UNKNOWN', { message: 'Someone else wrote meanwhile', fields })
        }
        return new Response(null, { status: 202, headers: headersOf(rendezvous.update(params.id ?? '', session, data)) })
      },
    }),
    open({
      method: 'DELETE',
      path: `${path}/:id`,
      handle: ({ params }) => {
        if (!rendezvous.delete(params.id ?? '')) throw notFound('There is no such rendezvous')
        return new Response(null, { status: 204 })
      },
    }),
  ]
}

async function textOf(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'text/plain') throw invalidParam('Content-Type is not text/plain')
  return readBytes(request.body, maxBytes)
}

function etagsOf(header: string | null): string[] {
  return (header ?? '').split(',').map((etag) => etag.trim())
}

function headersOf({ etag, expiresTs, modifiedTs }: RendezvousSession): Record<string, string> {
  return {
    etag,
    expires: new Date(expiresTs).toUTCString(),
    'last-modified': new Date(modifiedTs).toUTCString(),
    'cache-control': 'no-store, no-transform',
    'access-control-expose-headers': 'etag',
  }
}
