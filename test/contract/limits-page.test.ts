import { expect, test } from 'vitest'
import { limits, limitsPage, limitsPageOf } from './limits/limits-table.ts'

test('no row of docs/limits.md says anything else than the source', () => {
  const rows = (page: string) => page.split('\n').filter((line) => line.startsWith('| '))
  const made = new Set(rows(limitsPageOf(limits())))
  const shown = rows(limitsPage())
  expect(shown.length).toBeGreaterThan(100)
  expect(
    shown.filter((row) => !made.has(row)),
    'run: npm run limits -- --write',
  ).toEqual([])
})
