import type { Rows } from './row.ts'
import type { World } from './world.ts'

const path = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous'
const text = { body: new TextEncoder().encode('sealed'), headers: { 'content-type': 'text/plain' } }

async function session(world: World) {
  const { body, headers } = await world.send({ method: 'POST', uri: path, ...text })
  return { params: { id: String(body.url).split('/').at(-1) ?? '' }, etag: headers.get('etag') ?? '' }
}

/** Logging in by QR code. Whoever knows the address of a meeting takes part in it. */
export const rendezvous: Rows = {
  [`POST ${path}`]: {
    request: () => ({ as: 'nobody', ...text }),
    others: 'anyone',
    succeeds: 201,
    errors: { '400 M_INVALID_PARAM': () => ({ body: {}, headers: { 'content-type': 'application/json' } }) },
  },
  [`GET ${path}/:id`]: {
    request: async (world) => ({ as: 'nobody', params: (await session(world)).params }),
    others: 'anyone',
    errors: { '404 M_NOT_FOUND': () => ({ params: { id: 'none' } }) },
  },
  [`PUT ${path}/:id`]: {
    request: async (world) => {
      const { params, etag } = await session(world)
      return { as: 'nobody', params, ...text, headers: { ...text.headers, 'if-match': etag } }
    },
    others: 'anyone',
    succeeds: 202,
    errors: {
      '404 M_NOT_FOUND': () => ({ params: { id: 'none' }, ...text, headers: { ...text.headers, 'if-match': '*' } }),
      '400 M_MISSING_PARAM': async (world) => ({ params: (await session(world)).params, ...text }),
      '412 M_UNKNOWN': async (world) => ({
        params: (await session(world)).params,
        ...text,
        headers: { ...text.headers, 'if-match': '"other"' },
      }),
    },
  },
  [`DELETE ${path}/:id`]: {
    request: async (world) => ({ as: 'nobody', params: (await session(world)).params }),
    others: 'anyone',
    succeeds: 204,
    errors: { '404 M_NOT_FOUND': () => ({ params: { id: 'none' } }) },
  },
}
