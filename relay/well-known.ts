import type { ServerName } from '../src/spec/event.ts'
import { isObject } from '../src/spec/json.ts'
import { isServerName } from '../src/spec/server-name.ts'

/** The answer to `GET /.well-known/matrix/server`, whatever its status. */
export interface WellKnownResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface WellKnownSource {
  fetch(hostname: string): Promise<WellKnownResponse | undefined>
  now(): number
}

interface Entry {
  /** `undefined` where there is no valid delegation. */
  readonly delegated: ServerName | undefined
  readonly expires: number
  /** Failures in a row, by which the next one is remembered longer. */
  readonly failures: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const defaultLifeMs = 24 * hourMs
const longestLifeMs = 48 * hourMs
const shortestLifeMs = 5 * minuteMs
const firstFailureLifeMs = minuteMs
const maxEntries = 10_000

/** Remembers delegations: a day unless the server says otherwise, two at most; failures for up to an hour, longer each time. */
export function createWellKnownCache({ fetch, now }: WellKnownSource): { get(hostname: string): Promise<ServerName | undefined> } {
  const entries = new Map<string, Entry>()
  const underWay = new Map<string, Promise<Entry>>()

  const ask = async (hostname: string): Promise<Entry> => {
    const response = await fetch(hostname).catch(() => undefined)
    const delegated = response === undefined ? undefined : delegationIn(response)
    const failures = delegated === undefined ? (entries.get(hostname)?.failures ?? 0) + 1 : 0
    const life = response === undefined || delegated === undefined ? failureLife(failures) : lifeOf(response, now())
    const entry = { delegated, failures, expires: now() + life }
    entries.delete(hostname)
    entries.set(hostname, entry)
    const [oldest] = entries.keys()
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest)
    return entry
  }

  return {
    get: async (hostname) => {
      const known = entries.get(hostname)
      if (known !== undefined && known.expires > now()) return known.delegated
      const asking = underWay.get(hostname) ?? ask(hostname).finally(() => underWay.delete(hostname))
      underWay.set(hostname, asking)
      return (await asking).delegated
    },
  }
}

function delegationIn({ status, body }: WellKnownResponse): ServerName | undefined {
  if (status !== 200) return undefined
  try {
    const document: unknown = JSON.parse(body)
    const delegated = isObject(document) ? document['m.server'] : undefined
    return typeof delegated === 'string' && isServerName(delegated) ? delegated : undefined
  } catch {
    return undefined
  }
}

function failureLife(failures: number): number {
  return Math.min(hourMs, firstFailureLifeMs * 2 ** Math.min(failures - 1, 10))
}

function lifeOf({ headers }: WellKnownResponse, now: number): number {
  const control = headers['cache-control'] ?? ''
  const maxAge = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})/i.exec(control)?.[1]
  const expires = Date.parse(headers.expires ?? '')
  const said = /\bno-(?:store|cache)\b/i.test(control)
    ? 0
    : maxAge !== undefined
      ? Number(maxAge) * 1000
      : Number.isNaN(expires)
        ? defaultLifeMs
        : expires - now
  return Math.min(longestLifeMs, Math.max(shortestLifeMs, said))
}
