import { type Key, type Storage, table } from '../../src/ports/storage.ts'
import { migrations } from '../../src/storage/schema.ts'

/** Positions that are reserved ahead say nothing of what anyone did. */
const counters: ReadonlySet<string> = new Set(['meta'])
/** When a device was last seen is no change of anything that is anyone's. */
const volatile: ReadonlySet<string> = new Set(['lastSeenTs', 'lastSeenAddress'])

/** Every row of a store, as text by table and key. */
export async function dumpOf(storage: Storage): Promise<Map<string, string>> {
  const tables = migrations
    .flatMap(({ create }) => create)
    .filter((name) => !counters.has(name))
    .map((name) => table<Key, unknown>(name))
  const rows = await storage.read(tables, (tx) => Promise.all(tables.map((each) => tx.range(each, {}))))
  return new Map(
    rows.flatMap((found, index) =>
      found.map(([key, value]): [string, string] => [`${tables[index]?.name} ${JSON.stringify(key)}`, textOf(value)]),
    ),
  )
}

/** What differs between two dumps, of what `concerns` picks. */
export function changes(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  concerns = (_row: string) => true,
): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => `${key}: ${before.get(key)} → ${after.get(key)}`)
    .filter(concerns)
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (key, each: unknown) => {
    if (volatile.has(key)) return undefined
    return each instanceof Map || each instanceof Set ? [...each] : each
  })
}
