import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePorts } from './free-ports.ts'
import { MatrixUser } from './matrix-user.ts'
import { installNio, NioClients } from './nio-clients.ts'
import { HeadlessProgram } from './program.ts'

let missing: string | undefined
let directory: string
let program: HeadlessProgram
let clients: NioClients

beforeAll(async () => {
  missing = await installNio()
  if (missing !== undefined) return
  directory = await mkdtemp(join(tmpdir(), 'yurt-nio-'))
  const [clientPort, federationPort] = await freePorts(2)
  const homeserver = { serverName: 'hs1', clientPort, federationPort, dataDir: join(directory, 'hs1') }
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify({ homeservers: [homeserver], openRegistration: true, rateLimits: false, fastPasswordHash: true }),
  )
  await start()
}, 600_000)

beforeEach(({ skip }) => skip(missing !== undefined, missing))

afterAll(async () => {
  if (missing !== undefined) return
  await clients.stop()
  await program.stop('SIGTERM')
  await rm(directory, { recursive: true, force: true })
})

async function start(): Promise<void> {
  program = await HeadlessProgram.start(join(directory, 'config.json'))
  clients = new NioClients(join(directory, 'clients'), program.url('hs1'))
}

/** Two users of matrix-nio in an encrypted room. */
async function meet(first: string, second: string): Promise<string> {
  await clients.have(first, 'register', first)
  await clients.have(second, 'register', second)
  const roomId = await clients.have<string>(first, 'create_room', [`@${second}:hs1`])
  await clients.have(second, 'join', roomId)
  for (const each of [first, second]) await clients.have(each, 'members_are', roomId, 2)
  return roomId
}

describe('matrix-nio', () => {
  test('writes encrypted in both directions, and the homeserver sees ciphertext', async () => {
    const roomId = await meet('anna', 'bert')
    await clients.have('anna', 'say', roomId, 'from Python')
    await clients.have('bert', 'hears', roomId, 'from Python')
    await clients.have('bert', 'say', roomId, 'to Python')
    await clients.have('anna', 'hears', roomId, 'to Python')
    const reader = await MatrixUser.login(program.url('hs1'), 'anna')
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=2`
    const { chunk } = await reader.ask<{ chunk: { type: string }[] }>('GET', path)
    expect(chunk.map(({ type }) => type)).toEqual(['m.room.encrypted', 'm.room.encrypted'])
    expect(JSON.stringify(chunk)).not.toContain('Python')
  })

  test('verifies a device by comparing emoji', async () => {
    await meet('cora', 'dirk')
    const { seen, trusts } = await clients.have<{ seen: unknown[][]; trusts: boolean[] }>('cora', 'verify', 'dirk')
    expect(seen[0]).toHaveLength(7)
    expect(seen[1]).toEqual(seen[0])
    expect(trusts).toEqual([true, true])
  })

  test('takes an encrypted picture up and down', async () => {
    const roomId = await meet('ella', 'fred')
    const picture = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251)).toString('hex')
    await clients.have('ella', 'send_image', roomId, picture)
    expect(await clients.have('fred', 'see_image')).toBe(picture)
  })

  test('goes on from its sync token when client and homeserver were stopped: nothing lost, nothing twice', async () => {
    const roomId = await meet('gina', 'hugo')
    await clients.have('gina', 'say', roomId, 'before')
    await clients.have('hugo', 'hears', roomId, 'before')
    const token = await clients.have<string>('hugo', 'sync')
    await clients.have('hugo', 'close')
    await clients.have('gina', 'say', roomId, 'while Hugo is away')
    await clients.stop()
    await program.stop('SIGKILL')
    await start()
    expect(await clients.have('hugo', 'restore')).toBe(token)
    await clients.have('gina', 'restore')
    await clients.have('gina', 'sync')
    await clients.have('gina', 'say', roomId, 'after the restart')
    await clients.have('hugo', 'hears', roomId, 'after the restart')
    expect(await clients.have('hugo', 'heard', roomId)).toEqual(['while Hugo is away', 'after the restart'])
    expect(await clients.have('hugo', 'undecryptable')).toBe(0)
  })
})
