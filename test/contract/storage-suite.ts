import fc from 'fast-check'
import { type Key, type KeyRange, last, put, remove, removeRange, type Storage, table } from '../../src/ports/storage.ts'
import { equal, rejection } from './assertions.ts'

/** One promise of the storage port. Free of any test framework, so that it runs inside a browser's page as well. */
export interface StorageCase {
  readonly name: string
  /** `storage` is empty but for what earlier cases left in other tables than its own. */
  readonly run: (storage: Storage, fresh: () => Promise<Storage>) => Promise<void>
}

const letters = table<string, number>('letters')
const pairs = table<readonly [string, number], string>('pairs')
const mixed = table<Key, number>('mixed')

/** The schema that the suite needs. */
export const suiteMigrations = [{ create: ['letters', 'pairs'] }, { create: ['mixed'] }]

export const storageSuite: readonly StorageCase[] = [
  {
    name: 'what was committed is read back, what was not is undefined',
    run: async (storage) => {
      await storage.commit([put(letters, 'a', 1), put(letters, 'b', 2)], 'strict')
      equal(await storage.read([letters], (tx) => tx.get(letters, 'a')), 1)
      equal(await storage.read([letters], (tx) => tx.get(letters, 'z')), undefined)
      equal(await storage.read([letters], (tx) => tx.getMany(letters, ['b', 'z', 'a', 'b'])), [2, undefined, 1, 2])
    },
  },
  {
    name: 'a put replaces, a remove removes, in the order of the batch',
    run: async (storage) => {
      await storage.commit([put(letters, 'a', 1), put(letters, 'a', 2), put(letters, 'b', 1), remove(letters, 'b')], 'strict')
      equal(await allLetters(storage), [['a', 2]])
      await storage.commit([remove(letters, 'a'), remove(letters, 'nothing')], 'relaxed')
      equal(await allLetters(storage), [])
    },
  },
  {
    name: 'a batch in several tables is read in one transaction',
    run: async (storage) => {
      await storage.commit([put(letters, 'a', 1), put(pairs, ['a', 1], 'one')], 'relaxed')
      const both = await storage.read([letters, pairs], (tx) => Promise.all([tx.get(letters, 'a'), tx.get(pairs, ['a', 1])]))
      equal(both, [1, 'one'])
    },
  },
  {
    name: 'reads one after another within a transaction work',
    run: async (storage) => {
      await storage.commit([put(letters, 'a', 2), put(pairs, ['b', 2], 'two')], 'strict')
      const found = await storage.read([letters, pairs], async (tx) => tx.get(pairs, ['b', (await tx.get(letters, 'a')) ?? 0]))
      equal(found, 'two')
    },
  },
  {
    name: 'a read sees one state, whatever is committed meanwhile',
    run: async (storage) => {
      await storage.commit([put(letters, 'a', 1), put(pairs, ['a', 1], 'old')], 'strict')
      let committed: Promise<void> = Promise.resolve()
      const seen = await storage.read([letters, pairs], async (tx) => {
        const first = await tx.get(letters, 'a')
        committed = storage.commit([put(letters, 'a', 2), put(pairs, ['a', 1], 'new')], 'strict')
        await tx.get(letters, 'a')
        return [first, await tx.get(letters, 'a'), await tx.get(pairs, ['a', 1])]
      })
      equal(seen, [1, 1, 'old'])
      await committed
      equal(await storage.read([pairs], (tx) => tx.get(pairs, ['a', 1])), 'new')
    },
  },
  {
    name: 'a table that the read did not name is refused',
    run: async (storage) => {
      await rejection(storage.read([letters], (tx) => tx.get(pairs, ['a', 1])))
    },
  },
  {
    name: 'reads of one turn are answered each with its own, and one that fails takes no other with it',
    run: async (storage) => {
      await storage.commit([put(letters, 'a', 1), put(pairs, ['a', 1], 'x')], 'strict')
      const broken = storage.read([letters], async (tx) => {
        await tx.get(letters, 'a')
        throw new Error('broken')
      })
      const [letter, pair] = [
        storage.read([letters], (tx) => tx.get(letters, 'a')),
        storage.read([pairs], (tx) => tx.range(pairs, { from: ['a', 0], to: ['a', 9] })),
      ]
      equal(String(await rejection(broken)), 'Error: broken')
      equal(await letter, 1)
      equal(await pair, [[['a', 1], 'x']])
    },
  },
  {
    name: 'a prefix is read with the greatest key as its end',
    run: async (storage) => {
      const rows = [
        put(pairs, ['a', 9], ''),
        put(pairs, ['b', 1], 'x'),
        put(pairs, ['b', 20], 'y'),
        put(pairs, ['b', 3], 'z'),
        put(pairs, ['c', 0], ''),
      ]
      await storage.commit(rows, 'strict')
      const keys = await storage.read([mixed, pairs], (tx) => tx.range(pairs, { from: ['b', 0], before: ['c', 0] }))
      equal(keys, [
        [['b', 1], 'x'],
        [['b', 3], 'z'],
        [['b', 20], 'y'],
      ])
      await storage.commit([put(mixed, ['b'], 1), put(mixed, ['b', 'x'], 2), put(mixed, ['b', 7], 3), put(mixed, ['c'], 4)], 'strict')
      equal(await storage.read([mixed], (tx) => tx.range(mixed, { from: ['b'], to: ['b', last] })), [
        [['b'], 1],
        [['b', 7], 3],
        [['b', 'x'], 2],
      ])
    },
  },
  {
    name: 'crossing or empty bounds read and remove nothing',
    run: async (storage) => {
      await storage.commit([put(letters, 'a', 1), put(letters, 'b', 2)], 'strict')
      for (const bounds of [
        { from: 'b', to: 'a' },
        { after: 'a', before: 'a' },
        { after: 'a', to: 'a' },
        { from: 'a', before: 'a' },
      ]) {
        equal(await storage.read([letters], (tx) => tx.range(letters, bounds)), [])
        await storage.commit([removeRange(letters, bounds)], 'strict')
      }
      equal((await allLetters(storage)).length, 2)
      equal(await storage.read([letters], (tx) => tx.range(letters, { limit: 0 })), [])
    },
  },
  {
    name: 'an empty batch is committed',
    run: (storage) => storage.commit([], 'strict'),
  },
  {
    name: 'of concurrent batches the last called wins, and all are there',
    run: async (storage) => {
      const order: number[] = []
      const note = (n: number) => () => void order.push(n)
      const commits = Array.from({ length: 50 }, (_, n) =>
        storage.commit([put(letters, 'last', n), put(letters, `n${n}`, n)], n % 3 === 0 ? 'strict' : 'relaxed').then(note(n)),
      )
      await Promise.all(commits)
      equal(await storage.read([letters], (tx) => tx.get(letters, 'last')), 49)
      equal((await allLetters(storage)).length, 51)
      equal(
        order,
        [...order].sort((a, b) => a - b),
      )
    },
  },
  {
    name: 'a batch that cannot be stored changes nothing and takes no other with it',
    run: async (storage) => {
      const before = storage.commit([put(letters, 'a', 1)], 'strict')
      const broken = storage.commit([put(letters, 'a', 2), put(letters, 'c', 3), put(mixed, Number.NaN, 1)], 'strict')
      const after = storage.commit([put(letters, 'b', 1)], 'strict')
      await rejection(broken)
      await Promise.all([before, after])
      equal(await allLetters(storage), [
        ['a', 1],
        ['b', 1],
      ])
      await storage.commit([put(letters, 'd', 4)], 'strict')
      equal((await allLetters(storage)).length, 3)
    },
  },
  {
    name: 'any sequence of writes and any range agree with a sorted list',
    run: async (_storage, fresh) => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(someWrite, { maxLength: 6 }), { maxLength: 6 }), someRange, async (batches, range) => {
          const storage = await fresh()
          const model = new Map<string, readonly [Key, number]>()
          for (const batch of batches) {
            await storage.commit(batch.map(toWrite), 'relaxed')
            for (const write of batch) applyTo(model, write)
          }
          equal(await storage.read([mixed], (tx) => tx.range(mixed, range)), expectedRows(model, range))
        }),
        { numRuns: 60 },
      )
    },
  },
]

type ModelWrite = { readonly put: Key; readonly value: number } | { readonly remove: Key } | { readonly removeRange: KeyRange<Key> }

const someKey: fc.Arbitrary<Key> = fc.oneof(
  fc.integer({ min: -2, max: 3 }),
  fc.constantFrom('', 'a', 'b', 'é', '\ud83d\ude00', '\uffff'),
  fc.array(fc.oneof(fc.integer({ min: 0, max: 2 }), fc.constantFrom('', 'a', 'b')), { maxLength: 3 }),
)
const someLower = fc.oneof(fc.constant({}), fc.record({ from: someKey }), fc.record({ after: someKey }))
const someUpper = fc.oneof(fc.constant({}), fc.record({ to: someKey }), fc.record({ before: someKey }))
const someBounds = fc.tuple(someLower, someUpper).map(([lower, upper]): KeyRange<Key> => ({ ...lower, ...upper }))
const someRange = fc.tuple(someBounds, fc.option(fc.nat(4), { nil: undefined }), fc.boolean()).map(
  ([bounds, limit, reverse]): KeyRange<Key> => ({
    ...bounds,
    ...(limit === undefined ? {} : { limit }),
    ...(reverse ? { reverse } : {}),
  }),
)
const someWrite: fc.Arbitrary<ModelWrite> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: someKey, value: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ remove: someKey }) },
  { weight: 1, arbitrary: fc.record({ removeRange: someBounds }) },
)

function toWrite(write: ModelWrite) {
  if ('put' in write) return put(mixed, write.put, write.value)
  return 'remove' in write ? remove(mixed, write.remove) : removeRange(mixed, write.removeRange)
}

function applyTo(model: Map<string, readonly [Key, number]>, write: ModelWrite): void {
  if ('put' in write) model.set(JSON.stringify(write.put), [write.put, write.value])
  else if ('remove' in write) model.delete(JSON.stringify(write.remove))
  else for (const [name, [key]] of model) if (isWithin(key, write.removeRange)) model.delete(name)
}

function expectedRows(model: ReadonlyMap<string, readonly [Key, number]>, range: KeyRange<Key>): (readonly [Key, number])[] {
  const rows = [...model.values()].filter(([key]) => isWithin(key, range)).sort(([a], [b]) => compare(a, b))
  return (range.reverse ? rows.reverse() : rows).slice(0, range.limit ?? rows.length)
}

function isWithin(key: Key, { from, after, to, before }: KeyRange<Key>): boolean {
  if (from !== undefined ? compare(key, from) < 0 : after !== undefined && compare(key, after) <= 0) return false
  return to !== undefined ? compare(key, to) <= 0 : before === undefined || compare(key, before) < 0
}

/** The order that the port promises, written a second time, apart from any adapter. */
function compare(a: Key, b: Key): number {
  const kinds = ['number', 'string', 'object']
  if (typeof a !== typeof b) return kinds.indexOf(typeof a) - kinds.indexOf(typeof b)
  if (typeof a === 'object' && typeof b === 'object') {
    const at = a.findIndex((part, index) => index >= b.length || compare(part, b[index] ?? 0) !== 0)
    if (at === -1) return a.length - b.length
    return at >= b.length ? 1 : compare(a[at] ?? 0, b[at] ?? 0)
  }
  return a === b ? 0 : a < b ? -1 : 1
}

function allLetters(storage: Storage): Promise<[string, number][]> {
  return storage.read([letters], (tx) => tx.range(letters, {}))
}
