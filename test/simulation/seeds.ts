import { expect, test } from 'vitest'
import { type Plan, runScenario } from './scenario.ts'

/** Long enough for the slowest seed on a busy machine. */
export const seedTimeoutMs = 120_000

/** Seeds that showed a fault once, of the homeserver or of the simulation, in a world with less going on. */
const onceFailed = [1597, 1857, 1928, 2275, 2325, 2486, 2580, 2763, 2807, 3091]
/** The same, in the world with more going on. */
const onceFailedVaried = [20_076]

/** What is tested every time: 200 seeds, some of them in the world with more going on. */
const fixedRuns: readonly (readonly [seed: number, plan: Plan])[] = [
  ...Array.from({ length: 200 }, (_, i) => [i + 1, { varied: i < 40, moving: i >= 160 }] as const),
  ...onceFailed.map((seed) => [seed, { varied: false, moving: false }] as const),
  ...onceFailedVaried.map((seed) => [seed, { varied: true, moving: false }] as const),
]

/** Tests one half of the fixed seeds: two files do, which run side by side. */
export function testHalfOfSeeds(half: 0 | 1): void {
  const outcomes: Awaited<ReturnType<typeof expectNoFaults>>[] = []
  const runs = fixedRuns.filter((_, i) => i % 2 === half)

  test.each(runs)(
    'homeservers agree once all is healed, and clients miss nothing (seed %i)',
    { timeout: seedTimeoutMs },
    async (seed, plan) => void outcomes.push(await expectNoFaults(seed, plan)),
  )

  test('nearly all of them disagreed on the way, and agree in the end: else they would prove nothing', () => {
    const sum = (name: string) => outcomes.reduce((total, { counts }) => total + (counts[name] ?? 0), 0)
    expect(outcomes.filter(({ diverged }) => diverged).length).toBeGreaterThan(0.8 * outcomes.length)
    expect(sum('agreeing')).toBeGreaterThan(0.95 * sum('residents'))
    expect(sum('softFailed')).toBeGreaterThan(outcomes.length / 4)
  })
}

/** Runs the scenario of a seed: fails with what went wrong, and with the command that does it again. */
export async function expectNoFaults(seed: number, plan: Plan = {}) {
  const outcome = await runScenario(seed, plan)
  const options = `${plan.varied === false ? ' --plain' : ''}${plan.moving === false ? ' --staying' : ''}`
  expect(outcome.faults, `replay with: npm run simulate -- --seed ${seed}${options} --trace`).toEqual([])
  return outcome
}
