import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keptCertificate } from '../../headless/certificates.ts'
import { freePorts } from './free-ports.ts'
import { MatrixUser, request } from './matrix-user.ts'
import { HeadlessProgram } from './program.ts'

let directory: string
let programs: HeadlessProgram[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'yurt-headless-'))
  programs = []
})

afterEach(async () => {
  for (const program of programs) await program.stop('SIGTERM')
  await rm(directory, { recursive: true, force: true })
})

async function start(config: object): Promise<HeadlessProgram> {
  const file = join(directory, 'config.json')
  await writeFile(file, JSON.stringify(config))
  const program = await HeadlessProgram.start(file)
  programs.push(program)
  return program
}

/** The server-key document, over TLS that must hold for `serverName` by the authority in `ca`. */
function serverName(url: string, tls: { serverName: string; ca: string }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(`${url}/_matrix/key/v2/server`, { ca: tls.ca, servername: tls.serverName }, async (response) => {
      let text = ''
      for await (const piece of response) text += piece
      resolve(JSON.parse(text).server_name)
    })
    sent.on('error', reject).end()
  })
}

/** What each password's hash cost, as the files of Chromium's IndexedDB have it. */
async function passwordCosts(dataDir: string): Promise<string[]> {
  const files = await readdir(join(directory, dataDir), { recursive: true, withFileTypes: true })
  const costs = new Set<string>()
  for (const file of files.filter((each) => each.isFile())) {
    const text = await readFile(join(file.parentPath, file.name), 'latin1')
    for (const [, cost = ''] of text.matchAll(/\$argon2id\$v=19\$(m=\d+,t=\d+,p=\d+)\$/g)) costs.add(cost)
  }
  return [...costs].sort()
}

const registration = { username: 'alice', password: 'secret words', auth: { type: 'm.login.dummy' } }
const register = (url: string) => request(url, { method: 'POST', path: '/_matrix/client/v3/register', body: registration })

describe('headless', () => {
  test('with nothing configured has a name that is its key, a certificate of its own, and lets nobody register', async () => {
    const program = await start({ homeservers: [{ dataDir: 'one' }] })
    const [ready] = program.homeservers
    if (!ready) throw new Error('none is ready')
    expect(ready.serverName).toMatch(/^k51[a-z0-9]{59}$/)
    const ca = await readFile(join(directory, 'one', 'ca.pem'), 'utf8')
    expect(await serverName(ready.federationUrl, { serverName: ready.serverName, ca })).toBe(ready.serverName)
    await expect(register(ready.clientUrl)).rejects.toThrow(/403/)
    await expect(request(ready.clientUrl, { method: 'GET', path: '/_synapse/admin/v1/register' })).rejects.toThrow(/404/)
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'wrong' }
    const tries = await Promise.allSettled(
      Array.from({ length: 40 }, () => request(ready.clientUrl, { method: 'POST', path: '/_matrix/client/v3/login', body: login })),
    )
    expect(tries.filter((each) => each.status === 'rejected' && /429/.test(String(each.reason))).length).toBeGreaterThan(0)
  })

  test('listens where it is told, with the certificate that it is given', async () => {
    const [clientPort, federationPort] = await freePorts(2)
    await keptCertificate(join(directory, 'tls'), 'hs1')
    const program = await start({
      homeservers: [
        { serverName: 'hs1', clientPort, federationPort, dataDir: 'one', tls: { certFile: 'tls/tls.crt', keyFile: 'tls/tls.key' } },
      ],
      openRegistration: true,
    })
    expect(program.homeservers).toEqual([
      { serverName: 'hs1', clientUrl: `http://127.0.0.1:${clientPort}`, federationUrl: `https://127.0.0.1:${federationPort}` },
    ])
    const ca = await readFile(join(directory, 'tls', 'ca.pem'), 'utf8')
    expect(await serverName(`https://127.0.0.1:${federationPort}`, { serverName: 'hs1', ca })).toBe('hs1')
    expect(await register(program.url('hs1'))).toMatchObject({ user_id: '@alice:hs1' })
  })

  test('reaches no private address, and trusts no authority, unless it is told', async () => {
    const [clientPort, federationPort] = await freePorts(2)
    const homeserver = { serverName: `localhost:${federationPort}`, clientPort, federationPort, dataDir: 'host' }
    const open = { openRegistration: true, rateLimits: false, fastPasswordHash: true }
    const host = await start({ homeservers: [homeserver], ...open })
    const alice = await MatrixUser.register(host.url(homeserver.serverName), 'alice')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const joinWith = async (name: string, config: object): Promise<void> => {
      const guest = await start({ homeservers: [{ serverName: 'guest', dataDir: name }], ...open, ...config })
      const bob = await MatrixUser.register(guest.url('guest'), 'bob')
      await bob.join(roomId, homeserver.serverName)
    }
    const trustedCaFiles = ['host/ca.pem']
    await expect(joinWith('one', { trustedCaFiles })).rejects.toThrow(/50[0-9]/)
    await expect(joinWith('two', { allowPrivateAddresses: true })).rejects.toThrow(/50[0-9]/)
  })

  test('hashes passwords at full cost unless it is told to be fast', async () => {
    const homeservers = [{ serverName: 'hs1', dataDir: 'one' }]
    const program = await start({ homeservers, openRegistration: true })
    await register(program.url('hs1'))
    await program.stop('SIGTERM')
    expect(await passwordCosts('one')).toEqual(['m=19456,t=2,p=1'])
    const fast = await start({ homeservers, openRegistration: true, fastPasswordHash: true })
    await MatrixUser.register(fast.url('hs1'), 'bob')
    await fast.stop('SIGTERM')
    programs = []
    expect(await passwordCosts('one')).toEqual(['m=19456,t=2,p=1', 'm=8,t=1,p=1'])
  })

  test('names the mistakes in its configuration and ends', async () => {
    const file = join(directory, 'config.json')
    await writeFile(file, '{"homeservers":[{"clientPort":"x"}],"rateLimit":false}')
    const child = spawn(process.execPath, ['headless/main.ts', '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.on('data', (piece) => {
      errors += piece
    })
    const [code] = await once(child, 'exit')
    expect(code).toBe(2)
    expect(errors).toMatch(/clientPort/)
    expect(errors).toMatch(/rateLimit/)
  })
})
