import type { Clock } from '../ports/clock.ts'
import { put, remove, type Storage } from '../ports/storage.ts'
import type { ServerName } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { receivedTransactions } from '../storage/tables/federation.ts'

/** Longer than mail may lie at a relay or a carrier. */
const rememberedMs = 14 * 24 * 3600 * 1000
const forgetEvery = 500
/** Transactions of one server that wait to be dealt with. */
const mostWaiting = 50

/** Deals with the transactions of each server one after the other, and answers one that is repeated as it did before. */
export class ReceivedTransactions {
  readonly #deps: { readonly storage: Storage; readonly clock: Clock }
  readonly #lines = new Map<ServerName, { last: Promise<unknown>; waiting: number }>()
  #received = 0

  constructor(deps: { readonly storage: Storage; readonly clock: Clock }) {
    this.#deps = deps
  }

  /**
   * The response to a transaction: from `process`, if it was not answered before. `undefined` where too many of this server's
   * transactions wait already.
   */
  async respond(origin: ServerName, id: string, process: () => Promise<JsonObject>): Promise<JsonObject | undefined> {
    const line = this.#lines.get(origin) ?? { last: Promise.resolve(), waiting: 0 }
    if (line.waiting >= mostWaiting) return undefined
    this.#lines.set(origin, line)
    line.waiting++
    const response = line.last.catch(() => undefined).then(() => this.#respondOnce(origin, id, process))
    line.last = response
    try {
      return await response
    } finally {
      line.waiting--
      if (line.waiting === 0) this.#lines.delete(origin)
    }
  }

  async #respondOnce(origin: ServerName, id: string, process: () => Promise<JsonObject>): Promise<JsonObject> {
    const { storage, clock } = this.#deps
    const known = await storage.read([receivedTransactions], (tx) => tx.get(receivedTransactions, [origin, id]))
    if (known) return known.response
    const response = await process()
    // All in the transaction is durable by now, and may come twice: losing this row costs work, not data.
    await storage.commit([put(receivedTransactions, [origin, id], { response, receivedTs: clock.now() })], 'relaxed')
    if (++this.#received % forgetEvery === 0) await this.#forgetOld()
    return response
  }

  async #forgetOld(): Promise<void> {
    const { storage, clock } = this.#deps
    const oldest = clock.now() - rememberedMs
    const rows = await storage.read([receivedTransactions], (tx) => tx.range(receivedTransactions, {}))
    const old = rows.filter(([, { receivedTs }]) => receivedTs < oldest)
    if (old.length > 0)
      await storage.commit(
        old.map(([key]) => remove(receivedTransactions, key)),
        'relaxed',
      )
  }
}
