import { expect, test } from 'vitest'
import { limits, limitsPage, limitsPageOf } from './limits/limits-table.ts'

test('docs/limits.md is made of the limits in the source', () => {
  expect(limitsPage(), 'run: npm run limits -- --write').toBe(limitsPageOf(limits()))
})
