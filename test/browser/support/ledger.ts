import type { BrowserContext } from '@playwright/test'
import type { ClientReport, SyncAnswer } from '../site/client-report.ts'
import { type Client, expect, history } from './client.ts'

const patience = { timeout: 60_000 }

/** Keeps account, outside the browser, of what clients were told: which messages were acknowledged, and what each sync brought. */
export class Ledger {
  /** The event of each acknowledged text. */
  readonly #acknowledged = new Map<string, string>()
  /** The answers of each client's syncs, since it last began without a token. */
  readonly #answers = new Map<string, readonly SyncAnswer[]>()

  /** Hears the clients of all pages of a browser that are opened from now on. */
  async listen(context: BrowserContext): Promise<void> {
    await context.exposeFunction('report', (report: ClientReport) => this.#note(report))
  }

  /** Waits until so many more messages that begin with `prefix` were acknowledged. */
  async hears(count: number, prefix: string): Promise<void> {
    const heard = () => [...this.#acknowledged.keys()].filter((text) => text.startsWith(prefix)).length
    const wanted = heard() + count
    await expect.poll(heard, { ...patience, message: `acknowledged messages ${prefix}…` }).toBeGreaterThanOrEqual(wanted)
  }

  /** The answers that a client had: where another sync goes on, whatever became of the client. */
  answersTo(name: string): readonly SyncAnswer[] {
    return this.#answers.get(name) ?? []
  }

  /** Checks that a client can read every acknowledged message, and that there is no message twice. */
  async expectReadable(client: Client, roomId: string): Promise<void> {
    const texts = await history(client, roomId)
    expect([...this.#acknowledged.keys()].filter((text) => !texts.includes(text))).toEqual([])
    expect(texts).toHaveLength(new Set(texts).size)
  }

  /** Waits until a client was told of every acknowledged message by its syncs, and checks that none told of anything twice. */
  async expectTold(name: string): Promise<void> {
    await expect.poll(() => this.#untold(this.answersTo(name)), { ...patience, message: `not told to ${name}` }).toEqual([])
    expectOnce(this.answersTo(name))
  }

  /** Checks that syncs which go on after `answers` tell of every acknowledged message, and of nothing twice. */
  async expectToldAfter(answers: readonly SyncAnswer[], client: Client): Promise<void> {
    expect(answers.length).toBeGreaterThan(1)
    const rest = await client.evaluate((each, since) => each.syncsSince(since), answers.at(-1)?.next ?? '')
    expect(this.#untold([...answers, ...rest])).toEqual([])
    expectOnce([...answers, ...rest])
  }

  #untold(answers: readonly SyncAnswer[]): string[] {
    const told = new Set(answers.flatMap(({ eventIds }) => eventIds))
    return [...this.#acknowledged].filter(([, eventId]) => !told.has(eventId)).map(([text]) => text)
  }

  #note(report: ClientReport): void {
    if (report.type === 'acknowledged') {
      this.#acknowledged.set(report.text, report.eventId)
      return
    }
    const before = this.answersTo(report.name)
    // An answer that the client gave up before it read it is asked for again.
    const repeated = before.findIndex(({ since }) => since === report.since)
    this.#answers.set(report.name, [...(repeated === -1 ? before : before.slice(0, repeated)), report])
  }
}

function expectOnce(answers: readonly SyncAnswer[]): void {
  const told = answers.flatMap(({ eventIds }) => eventIds)
  expect(told).toHaveLength(new Set(told).size)
}
