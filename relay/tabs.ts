import type { Connection } from '@libp2p/interface'
import { createExchangePool, type ExchangePool } from '../src/http/exchange-pool.ts'
import { protocols } from '../src/http/relay-protocol.ts'
import { Unreachable } from '../src/http/wire-exchange.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import type { ServerName } from '../src/spec/event.ts'
import type { Label } from '../src/spec/self-certifying.ts'

/** The homeservers that are awake: admitted, and connected now. */
export interface Tabs {
  /** `connection` is that of `label`, which was admitted; it counts until it closes. The newest counts. */
  admit(label: Label, connection: Connection): void
  isAwake(label: Label): boolean
  /** Asks a homeserver that is awake. Rejects with {@link Unreachable} when it is not, or does not answer. */
  request(label: Label, asked: TabRequest): Promise<WireResponse>
  readonly size: number
}

export interface TabRequest {
  readonly to: ServerName
  readonly request: WireRequest
  readonly signal: AbortSignal
}

/** More would only wait. */
const maxRequestsOfTab = 256

interface Tab {
  readonly connection: Connection
  readonly pool: ExchangePool
  busy: number
}

export function createTabs(): Tabs {
  const tabs = new Map<Label, Tab[]>()

  const leave = (label: Label, tab: Tab): void => {
    tab.pool.close()
    const rest = (tabs.get(label) ?? []).filter((other) => other !== tab)
    if (rest.length > 0) tabs.set(label, rest)
    else tabs.delete(label)
  }

  return {
    admit: (label, connection) => {
      const known = tabs.get(label) ?? []
      if (known.some((tab) => tab.connection === connection)) return
      const pool = createExchangePool((signal) => connection.newStream(protocols.federation, { signal }))
      const tab: Tab = { connection, pool, busy: 0 }
      tabs.set(label, [...known, tab])
      connection.addEventListener('close', () => leave(label, tab), { once: true })
    },
    isAwake: (label) => tabs.has(label),
    request: async (label, asked) => {
      const tab = tabs.get(label)?.at(-1)
      if (tab === undefined) throw new Unreachable('The homeserver sleeps')
      if (tab.busy >= maxRequestsOfTab) throw new Unreachable('The homeserver has too much to do')
      tab.busy++
      try {
        return await tab.pool.request(asked)
      } catch (error) {
        throw error instanceof Unreachable ? error : new Unreachable('The homeserver did not answer')
      } finally {
        tab.busy--
      }
    },
    get size() {
      return tabs.size
    },
  }
}
