import { mkdtemp, rm } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import pino from 'pino'
import { checkConfig } from '../../relay/config.ts'
import { type RunningRelay, startRelay } from '../../relay/relay.ts'
import { expect, test } from './support/test.ts'

test.use({ homeserver: 'real' })

interface Tab {
  readonly page: Page
  readonly serverName: string
  readonly token: string
}

const hasNetwork = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ internal }) => !internal))

let relay: RunningRelay
let dataDir: string

test.beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'yurt-relay-'))
  relay = await startRelay(checkConfig({ dataDir, libp2p: { port: 0 }, federation: { port: 0 } }, 'the test'), pino({ level: 'silent' }))
})

test.afterEach(async () => {
  await relay.stop()
  await rm(dataDir, { recursive: true })
})

/** A homeserver of an origin of its own, connected to the relay, with one user. */
async function open(page: Page, url: string, webrtc: boolean): Promise<Tab> {
  await page.goto(url)
  const { address, token } = relay.ready
  const serverName = await page.evaluate(
    async (settings) => {
      const controls = await window.homeserver
      await controls.saveSettings(settings)
      return (await controls.createIdentity({})).server_name
    },
    { relays: [{ address, ...(token === undefined ? {} : { token }) }], webrtc },
  )
  await expect.poll(() => connections(page).then((now) => now?.relays.map(({ state }) => state)), { timeout: 20_000 }).toEqual(['admitted'])
  const registered = await call(page, '', 'POST', 'register', {
    username: 'someone',
    password: 'wonderland-7',
    auth: { type: 'm.login.dummy' },
  })
  return { page, serverName, token: String(registered.access_token) }
}

function connections(page: Page) {
  return page.evaluate(async () => (await (await window.homeserver).status()).connections)
}

function call(page: Page, token: string, method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  return page.evaluate(
    async ({ token, method, path, body }) => {
      const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` }
      const response = await fetch(`/_matrix/client/v3/${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const answer = await response.json()
      if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`)
      return answer
    },
    { token, method, path, body },
  )
}

/** The texts that the room's timeline holds for this user. */
async function texts({ page, token }: Tab, roomId: string): Promise<string[]> {
  const { chunk } = await call(page, token, 'GET', `rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=50`)
  if (!Array.isArray(chunk)) return []
  return chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body)
}

function say({ page, token }: Tab, roomId: string, text: string): Promise<unknown> {
  return call(page, token, 'PUT', `rooms/${encodeURIComponent(roomId)}/send/m.room.message/${text}`, { msgtype: 'm.text', body: text })
}

/** Alice's room, which Bob has joined over federation. */
async function sharedRoom(alice: Tab, bob: Tab): Promise<string> {
  const { room_id: roomId } = await call(alice.page, alice.token, 'POST', 'createRoom', { preset: 'public_chat' })
  const id = String(roomId)
  await call(bob.page, bob.token, 'POST', `join/${encodeURIComponent(id)}?via=${alice.serverName}`, {})
  return id
}

test('two origins in one browser share a room over WebRTC, and go on when the relay has gone', async ({ site, context }) => {
  test.skip(!hasNetwork, 'WebRTC finds no candidates where there is only the loopback interface')
  const port = new URL(site.url).port
  const alice = await open(await context.newPage(), `http://alice.localhost:${port}/`, true)
  const bob = await open(await context.newPage(), `http://bob.localhost:${port}/`, true)
  const roomId = await sharedRoom(alice, bob)
  for (const [tab, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await expect
      .poll(() => connections(tab.page).then((now) => now?.peers), { timeout: 60_000 })
      .toEqual([{ label: other.serverName, direct: true }])
  }
  await relay.stop()
  await say(alice, roomId, 'hello')
  await expect.poll(() => texts(bob, roomId), { timeout: 20_000 }).toEqual(['hello'])
  await say(bob, roomId, 'world')
  await expect.poll(() => texts(alice, roomId), { timeout: 20_000 }).toEqual(['world', 'hello'])
})

test('without WebRTC they share it over the relay', async ({ site, context }) => {
  const port = new URL(site.url).port
  const alice = await open(await context.newPage(), `http://alice.localhost:${port}/`, false)
  const bob = await open(await context.newPage(), `http://bob.localhost:${port}/`, false)
  const roomId = await sharedRoom(alice, bob)
  await say(bob, roomId, 'hello')
  await expect.poll(() => texts(alice, roomId), { timeout: 20_000 }).toEqual(['hello'])
  expect((await connections(alice.page))?.peers).toEqual([{ label: bob.serverName, direct: false }])
})
