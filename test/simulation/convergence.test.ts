import { describe, expect, test } from 'vitest'
import { supportedRoomVersions } from '../../src/spec/room-version.ts'
import { runScenario } from './scenario.ts'

const plan = { servers: 2, rounds: 8, versions: supportedRoomVersions() }
const seeds = Array.from({ length: 20 }, (_, i) => i + 1)

describe('two homeservers through a partition and crashes', () => {
  test.each(seeds)('agree on everything once healed, and show every message once (seed %i)', { timeout: 60_000 }, async (seed) => {
    const { faults, trace } = await runScenario(seed, plan)
    expect(faults, `replay with: npm run simulate -- --seed ${seed}\n${trace.slice(-20).join('\n')}`).toEqual([])
  })

  test('do the same things in the same order for the same seed', { timeout: 60_000 }, async () => {
    const [first, second] = [await runScenario(7, plan), await runScenario(7, plan)]
    expect(second.trace).toEqual(first.trace)
  })

  test('do disagree on the way: a run without divergence would prove nothing', { timeout: 60_000 }, async () => {
    const outcomes = []
    for (const seed of [1, 2, 3, 4, 5]) outcomes.push(await runScenario(seed, plan))
    expect(outcomes.some(({ diverged }) => diverged)).toBe(true)
  })
})
