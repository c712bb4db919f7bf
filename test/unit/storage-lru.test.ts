import { expect, test } from 'vitest'
import { Lru } from '../../src/storage/lru.ts'

const keys = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

test('what was used last is kept, and no more than the limit in all', () => {
  const lru = new Lru<number, string>(100)
  for (const key of keys(1000)) lru.set(key, `value ${key}`)
  const held = keys(1000).filter((key) => lru.has(key))
  expect(held.length).toBeLessThanOrEqual(100)
  expect(held.slice(-50)).toEqual(keys(50, 950))
  expect(lru.get(999)).toBe('value 999')
})

test('what goes on being used outlives what does not', () => {
  const lru = new Lru<string, string>(100)
  lru.set('used', 'kept')
  lru.set('unused', 'forgotten')
  for (const key of keys(1000)) {
    lru.set(`other ${key}`, '')
    lru.get('used')
  }
  expect(lru.get('used')).toBe('kept')
  expect(lru.get('unused')).toBeUndefined()
})

test('a value that was replaced, removed or cleared away does not come back', () => {
  const lru = new Lru<number, string>(4)
  for (const key of keys(2)) lru.set(key, 'old')
  lru.set(2, 'old')
  lru.set(0, 'new')
  expect(lru.get(0)).toBe('new')
  lru.delete(0)
  lru.delete(1)
  expect([lru.get(0), lru.get(1), lru.get(2)]).toEqual([undefined, undefined, 'old'])
  lru.clear()
  expect(lru.has(2)).toBe(false)
})
