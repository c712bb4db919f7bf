import { expect, test } from 'vitest'
import { expectNoFaults, halfOfSeeds, seedTimeoutMs } from './seeds.ts'

const outcomes: Awaited<ReturnType<typeof expectNoFaults>>[] = []

test.each(halfOfSeeds(1))(
  'homeservers agree once all is healed, and clients miss nothing (seed %i)',
  { timeout: seedTimeoutMs },
  async (seed) => {
    outcomes.push(await expectNoFaults(seed))
  },
)

test('nearly all of them disagreed on the way, and agree in the end: else they would prove nothing', () => {
  const sum = (name: string) => outcomes.reduce((total, { counts }) => total + (counts[name] ?? 0), 0)
  expect(outcomes.filter(({ diverged }) => diverged).length).toBeGreaterThan(0.8 * outcomes.length)
  expect(sum('agreeing')).toBeGreaterThan(0.95 * sum('residents'))
  expect(sum('softFailed')).toBeGreaterThan(outcomes.length / 4)
})
