import type { BrowserContext, JSHandle, Page } from '@playwright/test'
import type { TestClient } from '../browser/site/test-client.ts'
import { eventually } from './matrix-client.ts'

/** A homeserver in a tab, with one user of matrix-js-sdk in the same page. */
export class Tab {
  serverName = ''
  userId = ''
  readonly #context: BrowserContext
  readonly #url: string
  #page: Page | undefined
  #client: JSHandle<TestClient> | undefined

  constructor(context: BrowserContext, url: string) {
    this.#context = context
    this.#url = url
  }

  /** Opens the page, whose homeserver starts on what it has. */
  async open(): Promise<void> {
    this.#page = await this.#context.newPage()
    await this.#page.goto(this.#url)
    await this.page.evaluate(() => window.homeserver)
  }

  /** The homeserver sleeps from then on. */
  async close(): Promise<void> {
    await this.page.close()
  }

  /** Gives the homeserver its name, below the relay's domain, and the relay; registers the user. */
  async createHomeserver(relayDomain: string, relay: { readonly address: string; readonly token: string }): Promise<void> {
    this.serverName = await this.page.evaluate(
      async ({ relayDomain, relay: { address, token } }) => {
        const controls = await window.homeserver
        await controls.saveSettings({ relays: [{ address, token }] })
        return (await controls.createIdentity({ relay_domain: relayDomain })).server_name
      },
      { relayDomain, relay },
    )
    await this.isAdmitted()
    this.#client = await this.page.evaluateHandle(() => window.clients.register('tab'))
    this.userId = await this.client.evaluate(({ session }) => session.userId)
  }

  /** The user's client again, after the page was opened again. */
  async resume(): Promise<void> {
    this.#client = await this.page.evaluateHandle(() => window.clients.resume('tab'))
  }

  /** Waits until the relay lets the homeserver in. */
  async isAdmitted(): Promise<void> {
    await eventually(async () => {
      const { connections } = await this.page.evaluate(async () => (await window.homeserver).status())
      if (connections?.relays[0]?.state !== 'admitted') throw new Error(`the relay is ${connections?.relays[0]?.state}`)
    })
  }

  async createRoom(options: { readonly encrypted: boolean; readonly invite: readonly string[] }): Promise<string> {
    return this.client.evaluate(async (client, { encrypted, invite }) => {
      if (encrypted) return client.createEncryptedRoom(invite)
      const { room_id: roomId } = await client.sdk.createRoom({ invite: [...invite] })
      return roomId
    }, options)
  }

  /** Accepts an invitation, once it has come. */
  async accept(roomId: string): Promise<void> {
    await this.client.evaluate((client, id) => client.join(id), roomId)
  }

  /** Joins a room that anyone may join, by its alias. */
  async join(alias: string, via: string): Promise<string> {
    return this.client.evaluate(async (client, { alias, via }) => (await client.sdk.joinRoom(alias, { viaServers: [via] })).roomId, {
      alias,
      via,
    })
  }

  async membersAre(roomId: string, count: number): Promise<void> {
    await this.client.evaluate((client, { roomId, count }) => client.membersAre(roomId, count), { roomId, count })
  }

  async say(roomId: string, text: string): Promise<void> {
    await this.client.evaluate((client, { roomId, text }) => client.say(roomId, text), { roomId, text })
  }

  /** The texts of a room, decrypted, oldest first, as the client shows them. */
  async texts(roomId: string): Promise<string[]> {
    return this.client.evaluate(async (client, id) => {
      const events = client.sdk.getRoom(id)?.getLiveTimeline().getEvents() ?? []
      await Promise.all(events.map((event) => client.sdk.decryptEventIfNeeded(event)))
      return events.filter((event) => event.getType() === 'm.room.message').map((event) => String(event.getContent().body))
    }, roomId)
  }

  /** Waits until these are all the texts of a room. */
  async reads(roomId: string, texts: readonly string[]): Promise<void> {
    await eventually(async () => {
      const now = await this.texts(roomId)
      if (JSON.stringify(now) !== JSON.stringify(texts)) throw new Error(`the tab reads ${JSON.stringify(now)}, and not ${texts}`)
    })
  }

  get page(): Page {
    if (!this.#page) throw new Error('the tab is not open')
    return this.#page
  }

  get client(): JSHandle<TestClient> {
    if (!this.#client) throw new Error('the tab has no user')
    return this.#client
  }
}
