import type { Page } from '@playwright/test'

/** A user logged in, and a room of theirs. */
export interface Account {
  readonly token: string
  readonly roomId: string
}

/** Registers a user and creates a room, from the page. */
export function begin(page: Page): Promise<Account> {
  return page.evaluate(async () => {
    const registered = await fetch('/_matrix/client/v3/register', {
      method: 'POST',
      body: JSON.stringify({ username: 'alice', password: 'wonderland-7', auth: { type: 'm.login.dummy' } }),
    })
    const { access_token: token } = await registered.json()
    const created = await fetch('/_matrix/client/v3/createRoom', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ preset: 'private_chat' }),
    })
    const { room_id: roomId } = await created.json()
    return { token, roomId }
  })
}

/** Which messages to send: `prefix0`, `prefix1`, …, of which `inFlight` at a time are on their way. */
export interface Messages {
  readonly count: number
  readonly inFlight: number
  readonly prefix: string
}

/** Sends messages; resolves with the statuses of all answers. The page's `acknowledged`, if it has one, hears of each that is 200. */
export function send(page: Page, account: Account, messages: Messages): Promise<number[]> {
  return page.evaluate(
    async ({ token, roomId, count, inFlight, prefix }) => {
      const statuses: number[] = []
      let next = 0
      const one = async () => {
        while (next < count) {
          const body = `${prefix}${next++}`
          const response = await fetch(`/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${body}`, {
            method: 'PUT',
            headers: { authorization: `Bearer ${token}` },
            body: JSON.stringify({ msgtype: 'm.text', body }),
          })
          statuses.push(response.status)
          if (response.ok) window.acknowledged?.(body)
        }
      }
      await Promise.all(Array.from({ length: inFlight }, one))
      return statuses
    },
    { ...account, ...messages },
  )
}

/** The texts of every message of the room, oldest first. */
export function bodies(page: Page, account: Account): Promise<string[]> {
  return page.evaluate(async ({ token, roomId }) => {
    const found: string[] = []
    let from = ''
    for (;;) {
      const url = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100${from && `&from=${from}`}`
      const { chunk, end } = await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json()
      for (const { type, content } of chunk) if (type === 'm.room.message') found.push(content.body)
      if (end === undefined || chunk.length === 0) return found.reverse()
      from = end
    }
  }, account)
}

/** What {@link send} sends. */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`)
}
