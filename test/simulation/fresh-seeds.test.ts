import { expect, test } from 'vitest'
import { runScenario } from './scenario.ts'
import { expectNoFaults, seedTimeoutMs } from './seeds.ts'

const fresh = Array.from({ length: 2 }, (_, i) => 1_000 + (Math.floor(Date.now() / 1_000) % 1_000_000) * 10 + i)

// The name of the test says which seed it was.
test.each(fresh)('homeservers agree under what nobody has tried before (seed %i)', { timeout: seedTimeoutMs }, async (seed) => {
  console.log(`fresh seed ${seed}`)
  await expectNoFaults(seed, { moving: false })
})

test('the same seed makes the same things happen in the same order', { timeout: 2 * seedTimeoutMs }, async () => {
  const [first, second] = [await runScenario(7), await runScenario(7)]
  expect(second.trace).toEqual(first.trace)
})
