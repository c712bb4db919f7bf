import type { Row, Rows } from './row.ts'
import type { Sample } from './sample.ts'
import type { World } from './world.ts'

const picture = Uint8Array.from(
  atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='),
  (character) => character.charCodeAt(0),
)
const png = { 'content-type': 'image/png' }

function idOf(uri: unknown): { serverName: string; mediaId: string } {
  const { host, pathname } = new URL(String(uri).replace('mxc:', 'http:'))
  return { serverName: host, mediaId: pathname.slice(1) }
}

async function uploaded(world: World) {
  const { body } = await world.send({
    method: 'POST',
    uri: '/_matrix/media/v3/upload',
    token: world.alice.token,
    body: picture,
    headers: png,
  })
  return idOf(body.content_uri)
}

/** A media id that waits for its content; each user may have a few of them. */
async function reserved(world: World): Promise<Sample> {
  const user = await world.register()
  return { as: user, params: idOf((await world.must(user, 'POST', '/_matrix/media/v1/create')).content_uri) }
}

const unknown = { params: { serverName: 'home.example', mediaId: 'none' } }

const preview: Row = {
  request: () => ({ query: { url: 'https://page.example/' } }),
  others: 'anyone',
  errors: {
    '400 M_MISSING_PARAM': () => ({}),
    '400 M_INVALID_PARAM': () => ({ query: { url: 'ftp://page.example/' } }),
    '502 M_UNKNOWN': () => ({ query: { url: 'https://nobody.example/' } }),
  },
}

const moderated: Row = {
  request: async (world) => ({ as: world.admin, params: await uploaded(world) }),
  others: 'refused',
  errors: {
    '403 M_FORBIDDEN': async (world) => ({ params: await uploaded(world) }),
    '404 M_NOT_FOUND': (world) => ({ ...unknown, as: world.admin }),
  },
}

const download: Row = {
  request: async (world) => ({ params: await uploaded(world) }),
  others: 'anyone',
  errors: {
    '404 M_NOT_FOUND': () => unknown,
    '504 M_NOT_YET_UPLOADED': async (world) => ({ ...(await reserved(world)), query: { timeout_ms: '1' } }),
  },
}

const namedDownload: Row = {
  request: async (world) => ({ params: { ...(await uploaded(world)), fileName: 'b.png' } }),
  others: 'anyone',
  errors: { '404 M_NOT_FOUND': () => ({ params: { ...unknown.params, fileName: 'b.png' } }) },
}

const thumbnail: Row = {
  request: async (world) => ({ params: await uploaded(world), query: { width: '32', height: '32', method: 'crop' } }),
  others: 'anyone',
  errors: {
    '404 M_NOT_FOUND': () => ({ ...unknown, query: { width: '32', height: '32' } }),
    '400 M_MISSING_PARAM': () => unknown,
  },
}

/** The content repository. */
export const media: Rows = {
  'POST /_synapse/admin/v1/media/quarantine/:serverName/:mediaId': moderated,
  'POST /_synapse/admin/v1/media/unquarantine/:serverName/:mediaId': moderated,
  'GET /_matrix/client/v1/media/preview_url': preview,
  'GET /_matrix/media/v3/preview_url': preview,
  'POST /_matrix/media/v3/upload': {
    request: () => ({ body: picture, headers: png, query: { filename: 'a.png' } }),
    others: 'own',
    errors: { '413 M_TOO_LARGE': () => ({ body: new Uint8Array((1 << 20) + 1), headers: png }) },
  },
  'POST /_matrix/media/v1/create': { request: async (world) => ({ as: await world.register() }), others: 'own' },
  'PUT /_matrix/media/v3/upload/:serverName/:mediaId': {
    request: async (world) => ({ ...(await reserved(world)), body: picture, headers: png }),
    others: 'refused',
    errors: {
      '409 M_CANNOT_OVERWRITE_MEDIA': async (world) => ({ params: await uploaded(world), body: picture, headers: png }),
      '404 M_NOT_FOUND': () => ({ ...unknown, body: picture, headers: png }),
    },
  },
  'GET /_matrix/media/v3/config': { request: () => ({}), others: 'own' },
  'GET /_matrix/client/v1/media/config': { request: () => ({}), others: 'own' },
  'GET /_matrix/client/v1/media/download/:serverName/:mediaId': download,
  'GET /_matrix/client/v1/media/download/:serverName/:mediaId/:fileName': namedDownload,
  'GET /_matrix/client/v1/media/thumbnail/:serverName/:mediaId': thumbnail,
  'GET /_matrix/media/v3/download/:serverName/:mediaId': download,
  'GET /_matrix/media/v3/download/:serverName/:mediaId/:fileName': namedDownload,
  'GET /_matrix/media/v3/thumbnail/:serverName/:mediaId': thumbnail,
}
