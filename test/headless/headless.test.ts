import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keptCertificate } from '../../headless/certificates.ts'
import { freePorts } from './free-ports.ts'
import { MatrixUser, request } from './matrix-user.ts'
import { HeadlessProgram } from './program.ts'

const names = ['hs1', 'hs2', 'hs3']
const sharedSecret = 'complement'
let directory: string
let configFile: string
let program: HeadlessProgram

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'yurt-headless-'))
  const ports = await freePorts(6)
  const homeservers = names.map((serverName, i) => ({
    serverName,
    clientPort: ports[2 * i],
    federationPort: ports[2 * i + 1],
    dataDir: join(directory, serverName),
  }))
  for (const name of names) await keptCertificate(join(directory, name), name)
  configFile = join(directory, 'config.json')
  const config = {
    homeservers,
    resolve: Object.fromEntries(homeservers.map(({ serverName, federationPort }) => [serverName, `127.0.0.1:${federationPort}`])),
    trustedCaFiles: names.map((name) => join(directory, name, 'ca.pem')),
    sharedSecret,
    openRegistration: true,
    rateLimits: false,
    allowPrivateAddresses: true,
    fastPasswordHash: true,
  }
  await writeFile(configFile, JSON.stringify(config))
  program = await HeadlessProgram.start(configFile)
}, 180_000)

afterAll(async () => {
  await program.stop('SIGTERM')
  await rm(directory, { recursive: true, force: true })
})

describe('three homeservers in headless Chromium', () => {
  test('are ready under their names', () => {
    expect(program.homeservers.map(({ serverName }) => serverName)).toEqual(names)
  })

  test('tell clients of addresses where these reach them', async () => {
    const url = program.url('hs1')
    const found = await request<{ 'm.homeserver': object }>(url, { method: 'GET', path: '/.well-known/matrix/client' })
    expect(found['m.homeserver']).toEqual({ base_url: url })
    const oauth = await request<{ token_endpoint: string }>(url, { method: 'GET', path: '/_matrix/client/v1/auth_metadata' })
    expect(oauth.token_endpoint).toBe(`${url}/_matrix/oauth2/token`)
  })

  test('register users in one request without a session, and by the shared secret with name and rights', async () => {
    const alice = await MatrixUser.register(program.url('hs1'), 'alice')
    expect(alice.userId).toBe('@alice:hs1')
    const path = '/_synapse/admin/v1/register'
    const { nonce } = await request<{ nonce: string }>(program.url('hs2'), { method: 'GET', path })
    const mac = createHmac('sha1', sharedSecret).update(
      ['bob', 'secret words', 'admin']
        .map((text) => `\0${text}`)
        .join('')
        .replace(/^/, nonce),
    )
    const body = { nonce, username: 'bob', password: 'secret words', admin: true, displayname: 'Bob the Second', mac: mac.digest('hex') }
    const registered = await request<{ user_id: string; access_token: string }>(program.url('hs2'), { method: 'POST', path, body })
    expect(registered.user_id).toBe('@bob:hs2')
    const bob = await MatrixUser.login(program.url('hs2'), 'bob')
    const profile = await bob.ask<{ displayname?: string }>('GET', '/v3/profile/@bob:hs2')
    expect(profile.displayname).toBe('Bob the Second')
    const wrong = { ...body, username: 'eve', mac: 'f'.repeat(40) }
    await expect(request(program.url('hs2'), { method: 'POST', path, body: wrong })).rejects.toThrow(/40[0-9]/)
  })

  test.each(['10', '11', '12'])('share a room of version %s over HTTPS, by public join and by invitation', async (version) => {
    const anna = await MatrixUser.register(program.url('hs1'), `anna${version}`)
    const bert = await MatrixUser.register(program.url('hs2'), `bert${version}`)
    const cora = await MatrixUser.register(program.url('hs3'), `cora${version}`)
    const roomId = await anna.createRoom({ preset: 'public_chat', room_version: version })
    await bert.join(roomId, 'hs1')
    await anna.ask('POST', `/v3/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: cora.userId })
    await cora.join(roomId, 'hs1')
    await anna.say(roomId, 'from the first')
    await bert.hears(roomId, 'from the first')
    await bert.say(roomId, 'from the second')
    await cora.hears(roomId, 'from the second')
    await cora.say(roomId, 'from the third')
    await anna.hears(roomId, 'from the third')
    const { joined } = await bert.ask<{ joined: Record<string, unknown> }>('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)
    expect(Object.keys(joined).sort()).toEqual([anna.userId, bert.userId, cora.userId])
  })

  test('answer fifty users of whom each waits in four syncs, all of them, when one speaks', { timeout: 120_000 }, async () => {
    const url = program.url('hs3')
    const users = await Promise.all(Array.from({ length: 50 }, (_, n) => MatrixUser.register(url, `crowd${n}`)))
    const [speaker, ...others] = users
    if (!speaker) throw new Error('nobody is there')
    const roomId = await speaker.createRoom({ preset: 'public_chat' })
    await Promise.all(others.map((user) => user.join(roomId, 'hs3')))
    const began = await Promise.all(users.map((user) => user.sync()))
    const waiting = users.flatMap((user, n) => Array.from({ length: 4 }, () => user.syncUntilSpoken(roomId, began[n]?.next_batch)))
    await Promise.all(users.map((user) => user.ask('GET', '/v3/account/whoami')))
    const eventId = await speaker.say(roomId, 'to all')
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 200 }, () => [eventId]))
  })

  test('keep what was acknowledged through a kill, and go on where they were', { timeout: 120_000 }, async () => {
    const dora = await MatrixUser.register(program.url('hs1'), 'dora')
    const emil = await MatrixUser.register(program.url('hs2'), 'emil')
    const roomId = await dora.createRoom({ preset: 'public_chat' })
    await emil.join(roomId, 'hs1')
    const said = []
    for (let i = 0; i < 10; i++) said.push(await dora.say(roomId, `word ${i}`))
    await program.stop('SIGKILL')
    program = await HeadlessProgram.start(configFile)
    const again = await MatrixUser.login(program.url('hs1'), 'dora')
    expect(await again.texts(roomId)).toEqual(said.map((_, i) => `word ${i}`))
    const other = await MatrixUser.login(program.url('hs2'), 'emil')
    await other.hears(roomId, 'word 9')
    await again.say(roomId, 'and on')
    await other.hears(roomId, 'and on')
    expect(await program.stop('SIGTERM')).toBe(0)
    program = await HeadlessProgram.start(configFile)
    expect(await (await MatrixUser.login(program.url('hs1'), 'dora')).texts(roomId)).toContain('and on')
  })
})
