import { expect } from 'vitest'
import { runScenario } from './scenario.ts'

/** Long enough for the slowest seed on a busy machine. */
export const seedTimeoutMs = 120_000

/** How many fixed seeds there are; they are 1 and on. */
const fixedSeeds = 200

/** The fixed seeds of one of two files, which run side by side. */
export function halfOfSeeds(half: 0 | 1): number[] {
  return Array.from({ length: fixedSeeds / 2 }, (_, i) => 1 + 2 * i + half)
}

/** Runs the scenario of a seed: fails with what went wrong, and with the command that does it again. */
export async function expectNoFaults(seed: number) {
  const outcome = await runScenario(seed)
  expect(outcome.faults, `replay with: npm run simulate -- --seed ${seed} --trace`).toEqual([])
  return outcome
}
