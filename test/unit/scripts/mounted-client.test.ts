import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientConfig } from '../../../scripts/client-config.ts'
import { MountedClient } from '../../../scripts/mounted-client.ts'
import { type StaticServer, startStaticServer } from '../../../scripts/serve.ts'
import { get } from './http-get.ts'

let directory: string
let server: StaticServer

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'yurt-mounted-'))
  const files = {
    'dist/index.html': 'our app',
    'dist/client-start.html': 'the first visit',
    'dist/tab-host.html': 'our frame',
    'dist/sw.js': 'our service worker',
    'dist/assets/ours.js': 'ours',
    'client/index.html': 'the client',
    'client/assets/theirs.js': 'theirs',
    'client/assets/theirs.js.map': '{}',
    'client/sw.js': 'their service worker',
    'client/tab-host.html': 'not our frame',
    'client/config.json': '{"homeserverList":["matrix.org","example.org"],"defaultHomeserver":1,"hashRouter":{"enabled":false}}',
    'secret.txt': 'secret',
  }
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(directory, path, '..'), { recursive: true })
    await writeFile(join(directory, path), content)
  }
  const client = await MountedClient.read(join(directory, 'client'))
  server = await startStaticServer({ directory: join(directory, 'dist'), port: 0, client })
})

afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true })
})

const body = async (path: string, headers: Record<string, string> = {}) => (await get(server, path, { headers })).body

describe('a client that is mounted', () => {
  it('is served at / as it is, and may not be framed by others', async () => {
    const { body, headers } = await get(server, '/', {})
    expect(body).toBe('the client')
    expect(headers['content-security-policy']).toBe("frame-ancestors 'self'")
    expect((await get(server, '/assets/theirs.js', {})).body).toBe('theirs')
  })

  it('comes after a page of ours that gets a browser its homeserver', async () => {
    for (const path of ['/', '/index.html', '/room/some'])
      expect(await body(path, { 'sec-fetch-dest': 'document' })).toBe('the first visit')
  })

  it('takes none of our places: frame, service worker, app, files', async () => {
    expect(await body('/tab-host.html')).toBe('our frame')
    expect(await body('/yurt-sw.js')).toBe('our service worker')
    expect(await body('/yurt.html', { 'sec-fetch-dest': 'document' })).toBe('our app')
    expect(await body('/assets/ours.js')).toBe('ours')
  })

  it('has its service worker loaded after ours, under whatever name it registers it', async () => {
    const wrapped = await body('/sw.js', { 'service-worker': 'script' })
    expect(wrapped.indexOf("importScripts('/yurt-sw.js')")).toBeGreaterThan(0)
    expect(wrapped.indexOf('importScripts("/sw.js?yurt-unwrapped")')).toBeGreaterThan(wrapped.indexOf('/yurt-sw.js'))
    expect(wrapped.indexOf("new Event('yurt-client-loaded')")).toBeGreaterThan(wrapped.indexOf('yurt-unwrapped'))
    expect(await body('/sw.js?yurt-unwrapped', { 'service-worker': 'script' })).toBe('their service worker')
    expect(await body('/assets/theirs.js', { 'service-worker': 'script' })).toContain('importScripts("/assets/theirs.js?yurt-unwrapped")')
  })

  it('is kept for offline use file by file, but for what no page asks for', async () => {
    const [told = ''] = (await body('/sw.js')).split('\n')
    const { files, hasServiceWorker } = JSON.parse(told.replace('self.yurtClient = ', ''))
    expect(hasServiceWorker).toBe(true)
    expect(files.map(({ url }: { url: string }) => url)).toEqual(['/assets/theirs.js', '/config.json', '/index.html', '/sw.js'])
  })

  it('is configured for the origin that asks', async () => {
    const { body } = await get(server, '/config.json', { host: 'bob.localhost:8420' })
    expect(JSON.parse(body)).toEqual({
      homeserverList: ['http://bob.localhost:8420'],
      defaultHomeserver: 0,
      hashRouter: { enabled: false },
    })
  })

  it('never leaves its directory', async () => {
    for (const path of ['/../secret.txt', '/%2e%2e/secret.txt', '/assets/..%2f..%2fsecret.txt']) {
      expect((await get(server, path, {})).status, path).toBe(400)
    }
  })

  it('is refused where there is none', async () => {
    await expect(MountedClient.read(join(directory, 'nowhere'))).rejects.toThrow('no index.html')
  })
})

describe('the configuration of a client', () => {
  const origin = 'http://localhost:8420'
  const here = { default_server_config: { 'm.homeserver': { base_url: origin } } }

  it('of Element Web names this homeserver, in one way only, and keeps the rest', () => {
    for (const named of ['"default_server_name":"matrix.org"', '"default_hs_url":"https://matrix.org"', '"default_server_config":{}']) {
      expect(clientConfig(`{${named},"brand":"Element"}`, origin)).toEqual({ ...here, brand: 'Element' })
    }
  })

  it('of Hydrogen names this homeserver', () => {
    expect(clientConfig('{"defaultHomeServer":"matrix.org","push":null}', origin)).toEqual({ defaultHomeServer: origin, push: null })
  })

  it('of a client that is not known is left as it is', () => {
    for (const text of ['{"brand":"x"}', '[]', 'null']) expect(clientConfig(text, origin)).toEqual(JSON.parse(text))
  })
})
