import { expect, test } from 'vitest'
import { runScenario } from './scenario.ts'

/** Long enough for the slowest seed on a busy machine. */
export const seedTimeoutMs = 120_000

/** How many fixed seeds there are; they are 1 and on. */
const fixedSeeds = 200

/** Tests one half of the fixed seeds: two files do, which run side by side. */
export function testHalfOfSeeds(half: 0 | 1): void {
  const outcomes: Awaited<ReturnType<typeof expectNoFaults>>[] = []
  const seeds = Array.from({ length: fixedSeeds / 2 }, (_, i) => 1 + 2 * i + half)

  test.each(seeds)(
    'homeservers agree once all is healed, and clients miss nothing (seed %i)',
    { timeout: seedTimeoutMs },
    async (seed) => void outcomes.push(await expectNoFaults(seed)),
  )

  test('nearly all of them disagreed on the way, and agree in the end: else they would prove nothing', () => {
    const sum = (name: string) => outcomes.reduce((total, { counts }) => total + (counts[name] ?? 0), 0)
    expect(outcomes.filter(({ diverged }) => diverged).length).toBeGreaterThan(0.8 * outcomes.length)
    expect(sum('agreeing')).toBeGreaterThan(0.95 * sum('residents'))
    expect(sum('softFailed')).toBeGreaterThan(outcomes.length / 4)
  })
}

/** Runs the scenario of a seed: fails with what went wrong, and with the command that does it again. */
export async function expectNoFaults(seed: number) {
  const outcome = await runScenario(seed)
  expect(outcome.faults, `replay with: npm run simulate -- --seed ${seed} --trace`).toEqual([])
  return outcome
}
