import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StaticServer, startStaticServer } from '../../../scripts/serve.ts'
import { get as ask } from './http-get.ts'

let directory: string
let server: StaticServer

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'yurt-serve-'))
  await mkdir(join(directory, 'dist', 'assets'), { recursive: true })
  await writeFile(join(directory, 'dist', 'index.html'), '<p>hello</p>')
  await writeFile(join(directory, 'dist', 'sw.js'), '1')
  await writeFile(join(directory, 'dist', 'tab-host.html'), '')
  await writeFile(join(directory, 'dist', 'assets', 'a.js'), '1')
  await writeFile(join(directory, 'secret.txt'), 'secret')
  server = await startStaticServer({ directory: join(directory, 'dist'), port: 0, json: { '/relay.json': { event: 'ready' } } })
})

afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true })
})

const get = (path: string, options: Parameters<typeof ask>[2] = {}) => ask(server, path, options)

describe('the static server', () => {
  it('serves the page for / whatever the host name', async () => {
    const reply = await get('/', { host: 'bob.localhost' })
    expect(reply).toMatchObject({ status: 200, body: '<p>hello</p>' })
    expect(reply.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(reply.headers['x-content-type-options']).toBe('nosniff')
  })

  it('lets the service worker have the whole origin', async () => {
    const { headers } = await get('/sw.js')
    expect(headers).toMatchObject({
      'service-worker-allowed': '/',
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'no-cache',
    })
  })

  it('keeps eval and WebAssembly out of the service worker, the workers and the tab host', async () => {
    for (const path of ['/sw.js', '/tab-host.html']) {
      const policy = (await get(path)).headers['content-security-policy']
      expect(policy).toContain("default-src 'none'")
      expect(policy).not.toContain('unsafe')
    }
  })

  it('lets browsers keep hashed files', async () => {
    expect((await get('/assets/a.js')).headers['cache-control']).toContain('immutable')
  })

  it('answers a homeserver path with a Matrix error', async () => {
    const reply = await get('/_matrix/client/versions', { method: 'PUT' })
    expect(reply.status).toBe(404)
    expect(JSON.parse(reply.body)).toMatchObject({ errcode: 'M_UNRECOGNIZED' })
  })

  it('never leaves its directory', async () => {
    for (const path of ['/../secret.txt', '/%2e%2e/secret.txt', '/assets/..%2f..%2fsecret.txt', '/..%5csecret.txt', '/%00', '/%']) {
      expect((await get(path)).status, path).toBe(400)
    }
  })

  it('answers 404 for what is not there and 405 for what is not a read', async () => {
    expect((await get('/nothing')).status).toBe(404)
    expect((await get('/assets')).status).toBe(404)
    expect((await get('/', { method: 'POST' })).status).toBe(405)
  })

  it('answers HEAD without a body', async () => {
    const reply = await get('/', { method: 'HEAD' })
    expect(reply).toMatchObject({ status: 200, body: '' })
    expect(reply.headers['content-length']).toBe('12')
  })

  it('tells its JSON values to names of this machine only', async () => {
    expect(JSON.parse((await get('/relay.json', { host: 'bob.localhost:8420' })).body)).toEqual({ event: 'ready' })
    expect((await get('/relay.json', { host: 'evil.example' })).status).toBe(403)
  })

  it('says that its port is taken', async () => {
    await expect(startStaticServer({ directory, port: server.port })).rejects.toThrow('EADDRINUSE')
  })
})
