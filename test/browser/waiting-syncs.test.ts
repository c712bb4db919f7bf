import type { Page } from '@playwright/test'
import { expect, test } from './support/client.ts'

interface Answer {
  readonly status: number
  readonly body: {
    errcode?: string
    next_batch?: string
    rooms?: { join?: Record<string, { timeline: { events: { event_id: string }[] } }> }
  }
}

/** A request of the page, with a token or without. */
function ask(page: Page, method: string, path: string, { token, body }: { token?: string; body?: object } = {}) {
  return page.evaluate(
    async ({ method, path, token, body }) => {
      const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` }
      const response = await fetch(path, { method, ...(headers ? { headers } : {}), ...(body ? { body: JSON.stringify(body) } : {}) })
      return { status: response.status, body: await response.json() }
    },
    { method, path, token, body },
  )
}

const sync = (page: Page, token: string, query = ''): Promise<Answer> => ask(page, 'GET', `/_matrix/client/v3/sync?${query}`, { token })

async function register(page: Page, username: string): Promise<string> {
  const account = { username, password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
  return (await ask(page, 'POST', '/_matrix/client/v3/register', { body: account })).body.access_token
}

async function createRoom(page: Page, token: string): Promise<string> {
  return (await ask(page, 'POST', '/_matrix/client/v3/createRoom', { token, body: { preset: 'public_chat' } })).body.room_id
}

async function send(page: Page, token: string, { roomId, text }: { roomId: string; text: string }): Promise<string> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${text}`
  return (await ask(page, 'PUT', path, { token, body: { msgtype: 'm.text', body: text } })).body.event_id
}

test('two hundred syncs wait in one tab: other requests are answered meanwhile, and all of them hear of a message', async ({ openApp }) => {
  const page = await openApp()
  await page.evaluate(async () => (await window.homeserver).saveSettings({ fast_password_hash: true, rate_limits: false }))
  const host = await register(page, 'host')
  const roomId = await createRoom(page, host)
  const guests = await page.evaluate(
    async ({ roomId, host }) => {
      const guest = async (n: number) => {
        const body = JSON.stringify({ username: `guest${n}`, password: 'wonderland-7', auth: { type: 'm.login.dummy' } })
        const { access_token: token } = await (await fetch('/_matrix/client/v3/register', { method: 'POST', body })).json()
        const headers = { authorization: `Bearer ${token}` }
        await fetch(`/_matrix/client/v3/join/${encodeURIComponent(roomId)}`, { method: 'POST', headers, body: '{}' })
        return String(token)
      }
      return [host, ...(await Promise.all(Array.from({ length: 39 }, (_, n) => guest(n))))]
    },
    { roomId, host },
  )
  const waiting = await page.evaluateHandle(async (tokens) => {
    const ask = async (token: string, query: string): Promise<Answer['body']> =>
      (await fetch(`/_matrix/client/v3/sync?set_presence=offline&${query}`, { headers: { authorization: `Bearer ${token}` } })).json()
    /** Waits, again and again, until something happens in a room. */
    const hear = async (token: string, since: string | undefined): Promise<string[]> => {
      const { rooms, next_batch: next } = await ask(token, `timeout=30000&since=${since}`)
      const events = Object.values(rooms?.join ?? {}).flatMap(({ timeline }) => timeline.events.map(({ event_id: id }) => id))
      return events.length === 0 ? hear(token, next) : events
    }
    const wait = async (token: string) => {
      const { next_batch: since } = await ask(token, 'timeout=0')
      return Array.from({ length: 5 }, () => hear(token, since))
    }
    const syncs = (await Promise.all(tokens.map(wait))).flat()
    return { syncs, answered: syncs.map((each) => each.then(() => true)) }
  }, guests)
  for (let n = 0; n < 20; n++) expect((await ask(page, 'GET', '/_matrix/client/v3/account/whoami', { token: host })).status).toBe(200)
  const stillWait = await waiting.evaluate(({ answered }) =>
    Promise.all(answered.map((each) => Promise.race([each, Promise.resolve(false)]))),
  )
  expect(stillWait).toEqual(Array.from({ length: 200 }, () => false))
  const eventId = await send(page, host, { roomId, text: 'dinner' })
  const heard = await waiting.evaluate(({ syncs }) => Promise.all(syncs))
  expect(heard).toEqual(Array.from({ length: 200 }, () => [eventId]))
})

test('a client that comes back with an old token is told what it missed, and with a wrong one that it is wrong', async ({ openApp }) => {
  const page = await openApp()
  const token = await register(page, 'alice')
  const roomId = await createRoom(page, token)
  const old = (await sync(page, token)).body.next_batch ?? ''
  const missed = []
  for (let n = 0; n < 30; n++) missed.push(await send(page, token, { roomId, text: `m${n}` }))
  await page.reload()
  await page.evaluate(() => window.homeserver)
  const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: 10 } } }))
  for (let again = 0; again < 2; again++) {
    const { body } = await sync(page, token, `since=${old}&filter=${filter}`)
    const { timeline } = body.rooms?.join?.[roomId] ?? {}
    expect(timeline).toMatchObject({ limited: true })
    expect(timeline?.events.map(({ event_id: id }) => id)).toEqual(missed.slice(-10))
  }
  const [, position = '', incarnation = ''] = /^s(\d+)_(\d+)/.exec(old) ?? []
  const future = `s${Number(position) + 1_000_000}_${incarnation}`
  const foreign = `s${position}_${Number(incarnation) + 1}`
  for (const wrong of [future, foreign, 'nonsense', `${old}_x`, '%00']) {
    expect(await sync(page, token, `since=${wrong}`), wrong).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  }
  expect(await sync(page, 'nobody', `since=${old}`)).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
})
