import { beforeEach, describe, expect, test } from 'vitest'
import { mediaEndpoints } from '../../src/api/client/media.ts'
import { createHandler, type Handler } from '../../src/http/router.ts'
import { MediaStore } from '../../src/media/media-store.ts'
import { MemoryBlobStore } from '../../src/media/memory-blob-store.ts'
import { UrlPreviews } from '../../src/media/url-previews.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Web } from '../../src/ports/web.ts'
import { notFound } from '../../src/spec/errors.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

let handler: Handler
let fetched: string[]
let thumbnails: string[]

/** The head of a PNG of 256 by 2, as a page's picture. */
const picture = Uint8Array.from([...'\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\0\0\0\0\x02'].map((letter) => letter.charCodeAt(0)))

const web: Web = {
  notify: () => Promise.reject(new Error('not here')),
  preview: async (url, language) => {
    fetched.push(`${url} ${language}`)
    if (url.endsWith('/nowhere')) throw notFound()
    return { 'og:title': 'A page', 'og:image': `${url}picture.png` }
  },
  image: async (url) => {
    fetched.push(url)
    return { contentType: 'image/png', bytes: picture }
  },
}

beforeEach(() => {
  fetched = []
  thumbnails = []
  const storage = new MemoryStorage()
  const clock: Clock = {
    now: () => 1_000,
    sleep: (_ms, signal) => new Promise((resolve) => (signal ? signal.addEventListener('abort', () => resolve()) : resolve())),
  }
  const media = new MediaStore({
    storage,
    blobs: new MemoryBlobStore(),
    clock,
    random: new SeededRandom(1),
    serverName: 'a.example',
    maxBytes: 1000,
    maxUserBytes: 2000,
    thumbnailer: {
      thumbnail: async ({ bytes }, { width, height, method }) => {
        if (new TextDecoder().decode(bytes) !== 'picture') return undefined
        thumbnails.push(`${width}x${height} ${method}`)
        return { contentType: 'image/png', bytes: new TextEncoder().encode(`${width}x${height} ${method}`) }
      },
    },
    incarnation: 1,
    remote: {
      download: async (server, mediaId) => {
        fetched.push(`${server}/${mediaId}`)
        if (server !== 'b.example') throw notFound()
        return { contentType: 'image/png', filename: 'far.png', bytes: new TextEncoder().encode('far') }
      },
    },
  })
  handler = createHandler(
    mediaEndpoints({ media, serverName: 'a.example', previews: new UrlPreviews({ storage, clock, media, serverName: 'a.example', web }) }),
    {
      authenticator: {
        user: async (token) => ({
          userId: `@${token}:a.example`,
          deviceId: 'D',
          tokenHash: token,
          admin: token === 'admin',
          guest: false,
          locked: false,
          suspended: false,
        }),
        server: () => Promise.reject(notFound()),
      },
      logger: { log: () => undefined },
      rateLimit: () => undefined,
    },
  )
})

function ask(method: string, path: string, options: { body?: string | Uint8Array<ArrayBuffer>; type?: string; user?: string } = {}) {
  const { body, type = 'text/plain', user = 'alice' } = options
  const headers = { authorization: `Bearer ${user}`, ...(body === undefined ? {} : { 'content-type': type }) }
  const request = new Request(`http://localhost${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
  return handler(request, { trusted: true, address: 'test' })
}

async function upload(body: string, type?: string, filename?: string): Promise<string> {
  const response = await ask('POST', `/_matrix/media/v3/upload${filename ? `?filename=${encodeURIComponent(filename)}` : ''}`, {
    body,
    ...(type ? { type } : {}),
  })
  const { content_uri: uri } = await response.json()
  return uri.slice('mxc://'.length)
}

describe('the content repository', () => {
  test('gives back what was uploaded, with its type and file name', async () => {
    const path = await upload('hello', 'image/png', 'Grüße.png')
    const response = await ask('GET', `/_matrix/client/v1/media/download/${path}`)
    expect(await response.text()).toBe('hello')
    expect(response.headers.get('content-type')).toBe('image/png')
    expect(response.headers.get('content-disposition')).toBe("inline; filename*=utf-8''Gr%C3%BC%C3%9Fe.png")
    expect(response.headers.get('content-security-policy')).toContain('sandbox')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  })

  test('never lets a page be shown in place', async () => {
    const path = await upload('<script>', 'text/html')
    const response = await ask('GET', `/_matrix/client/v1/media/download/${path}`)
    expect(response.headers.get('content-disposition')).toBe('attachment')
  })

  test('refuses what is too large, and what is nowhere', async () => {
    const tooLarge = await ask('POST', '/_matrix/media/v3/upload', { body: 'x'.repeat(1001) })
    expect([tooLarge.status, (await tooLarge.json()).errcode]).toEqual([413, 'M_TOO_LARGE'])
    const missing = await ask('GET', '/_matrix/client/v1/media/download/a.example/nothing')
    expect([missing.status, (await missing.json()).errcode]).toEqual([404, 'M_NOT_FOUND'])
    const traversal = await ask('GET', '/_matrix/client/v1/media/download/a.example/..%2F..%2Fetc')
    expect(traversal.status).toBe(404)
  })

  test('fills a reserved id once, by its owner alone, and wakes whoever waits for it', async () => {
    const { content_uri: uri } = await (await ask('POST', '/_matrix/media/v1/create')).json()
    const path = uri.slice('mxc://'.length)
    const waiting = ask('GET', `/_matrix/client/v1/media/download/${path}?timeout_ms=10000`, { user: 'bob' })
    const stranger = await ask('PUT', `/_matrix/media/v3/upload/${path}`, { body: 'mine', user: 'bob' })
    expect(stranger.status).toBe(403)
    expect((await ask('PUT', `/_matrix/media/v3/upload/${path}`, { body: 'late' })).status).toBe(200)
    expect(await (await waiting).text()).toBe('late')
    const again = await ask('PUT', `/_matrix/media/v3/upload/${path}`, { body: 'again' })
    expect([again.status, (await again.json()).errcode]).toEqual([409, 'M_CANNOT_OVERWRITE_MEDIA'])
  })

  test('fetches another server’s media once and keeps it', async () => {
    const path = '/_matrix/client/v1/media/download/b.example/x'
    const answers = await Promise.all([ask('GET', path), ask('GET', path)])
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(['far', 'far'])
    expect(await (await ask('GET', path)).text()).toBe('far')
    expect(fetched).toEqual(['b.example/x'])
  })

  test('asks for no thumbnail without a size, and serves the original where it makes none', async () => {
    const path = await upload('original', 'image/png')
    const missing = await ask('GET', `/_matrix/client/v1/media/thumbnail/${path}`)
    expect((await missing.json()).errcode).toBe('M_MISSING_PARAM')
    const thumbnail = await ask('GET', `/_matrix/client/v1/media/thumbnail/${path}?width=32&height=32`)
    expect(await thumbnail.text()).toBe('original')
  })

  test('is given at the deprecated paths to who shows a token, and to nobody else', async () => {
    const path = await upload('original')
    for (const place of [`download/${path}`, `download/${path}/name.txt`, `thumbnail/${path}?width=32&height=32`]) {
      expect(await (await ask('GET', `/_matrix/media/v3/${place}`)).text()).toBe('original')
      const nobody = await ask('GET', `/_matrix/media/v3/${place}`, { user: '' })
      expect([nobody.status, (await nobody.json()).errcode]).toEqual([404, 'M_NOT_FOUND'])
    }
  })

  test('asks for a page once however many want its preview, and keeps its image among its own media', async () => {
    const path = '/_matrix/client/v1/media/preview_url?url=https%3A%2F%2Fpage.example%2F%23part'
    const [first, second] = await Promise.all([ask('GET', path), ask('GET', path, { user: 'bob' })])
    const preview = await first.json()
    expect(preview).toEqual({
      'og:title': 'A page',
      'og:image': expect.stringMatching(/^mxc:\/\/a\.example\//),
      'og:image:type': 'image/png',
      'matrix:image:size': picture.length,
      'og:image:width': 256,
      'og:image:height': 2,
    })
    expect(await second.json()).toEqual(preview)
    expect(await (await ask('GET', path)).json()).toEqual(preview)
    expect(fetched).toEqual(['https://page.example/ undefined', 'https://page.example/picture.png'])
    const image = await ask('GET', `/_matrix/client/v1/media/download/${preview['og:image'].slice('mxc://'.length)}`)
    expect(new Uint8Array(await image.arrayBuffer())).toEqual(picture)
  })

  test('serves nothing that an administrator withdrew, ours or others’, until it is given free again', async () => {
    const own = await upload('bad')
    await ask('GET', '/_matrix/client/v1/media/download/b.example/x')
    for (const path of [own, 'b.example/x']) {
      const moderate = (action: string, user?: string) =>
        ask('POST', `/_synapse/admin/v1/media/${action}/${path}`, { body: '', ...(user ? { user } : {}) })
      const status = async () => (await ask('GET', `/_matrix/client/v1/media/download/${path}`)).status
      expect((await moderate('quarantine')).status).toBe(403)
      expect((await moderate('quarantine', 'admin')).status).toBe(200)
      expect(await status()).toBe(404)
      expect((await moderate('unquarantine', 'admin')).status).toBe(200)
      expect(await status()).toBe(200)
    }
    expect(fetched).toEqual(['b.example/x'])
  })

  test('lets a user keep so much and no more', async () => {
    for (const size of [900, 900]) await upload('x'.repeat(size))
    const over = await ask('POST', '/_matrix/media/v3/upload', { body: 'x'.repeat(900) })
    expect([over.status, (await over.json()).errcode]).toEqual([403, 'M_FORBIDDEN'])
    expect((await ask('POST', '/_matrix/media/v3/upload', { body: 'x'.repeat(900), user: 'bob' })).status).toBe(200)
  })

  test('decodes no picture of too many pixels, and asks for each thumbnail once', async () => {
    const png = (width: number) =>
      Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 1, width, 0, 0, 0, 255, 255])
    const thumbnail = async (bytes: Uint8Array<ArrayBuffer>) => {
      const response = await ask('POST', '/_matrix/media/v3/upload', { body: bytes, type: 'image/png' })
      const path = String((await response.json()).content_uri).slice('mxc://'.length)
      return () => ask('GET', `/_matrix/client/v1/media/thumbnail/${path}?width=32&height=32&method=crop`)
    }
    const huge = await (await thumbnail(png(0)))()
    expect([huge.status, (await huge.json()).errcode]).toEqual([413, 'M_TOO_LARGE'])
    const small = await thumbnail(new TextEncoder().encode('picture'))
    expect(await (await small()).text()).toBe('32x32 crop')
    expect(await (await small()).text()).toBe('32x32 crop')
    expect(thumbnails).toEqual(['32x32 crop'])
  })

  test('drops others’ media, the longest kept first, before it runs out of room, and never its own users’', async () => {
    let now = 0
    const asked: string[] = []
    const memory = new MemoryBlobStore()
    const blobs: BlobStore = {
      write: (key, bytes) => memory.write(key, bytes),
      read: (key) => memory.read(key),
      remove: (key) => memory.remove(key),
      usage: async () => ({ ...(await memory.usage()), quota: 1000 }),
    }
    const store = new MediaStore({
      storage: new MemoryStorage(),
      blobs,
      clock: { now: () => now++, sleep: async () => undefined },
      random: new SeededRandom(1),
      serverName: 'a.example',
      maxBytes: 1000,
      incarnation: 1,
      remote: {
        download: async (_server, mediaId) => {
          asked.push(mediaId)
          return { contentType: 'text/plain', bytes: new Uint8Array(mediaId === 'huge' ? 900 : 300) }
        },
      },
    })
    const own = await store.upload('@alice:a.example', { contentType: 'text/plain', bytes: new Uint8Array(100) })
    const wait = { timeoutMs: 0, signal: new AbortController().signal }
    const get = (mediaId: string) => store.download('b.example', mediaId, wait)
    for (const mediaId of ['one', 'two', 'three', 'three', 'two', 'one', 'huge']) await get(mediaId)
    expect(asked).toEqual(['one', 'two', 'three', 'one', 'huge'])
    expect((await get('huge')).bytes.byteLength).toBe(900)
    expect((await store.local(own, 0, wait.signal)).bytes.byteLength).toBe(100)
    expect((await blobs.usage()).bytes).toBeLessThanOrEqual(800)
  })
})
