import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type LayerResults, resultsFileVariable } from '../../../scripts/layer-results.ts'
import { runCheck, runLayer } from '../../../scripts/test-steps.ts'

const home = process.cwd()
let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'yurt-steps-'))
  mkdirSync(join(directory, 'test', 'layer'), { recursive: true })
  writeFileSync(join(directory, 'test', 'layer', 'a.test.ts'), '')
  const reasons = [
    { reason: 'no network', inCi: true },
    { reason: 'no Python', inCi: false },
  ]
  writeFileSync(join(directory, 'test', 'allowed-skips.json'), JSON.stringify(reasons))
  process.chdir(directory)
})

afterEach(() => {
  process.chdir(home)
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true })
})

/** A step whose runner runs `script`. */
const step = (script: string) => ({ name: 'layer', command: [process.execPath, '-e', script], timeoutMs: 20_000, inChromium: false })
const write = (results: LayerResults) =>
  `require('node:fs').writeFileSync(process.env.${resultsFileVariable}, ${JSON.stringify(JSON.stringify(results))})`
const ran = (results: Partial<LayerResults>) => write({ passed: 0, failed: [], skipped: [], ...results })
const skipped = (...reasons: string[]) => reasons.map((reason) => ({ name: `needs ${reason}`, reason }))

describe('npm test', () => {
  it('counts what passed, and names what failed', async () => {
    const outcome = await runLayer(step(`${ran({ passed: 3, failed: ['one', 'two'] })}; process.exitCode = 1`))
    expect(outcome).toEqual({ passed: 3, failed: ['layer: one', 'layer: two'], skipped: 0 })
  })

  it.each([
    ['crashes', 'process.kill(process.pid, "SIGKILL")'],
    ['says nothing', ''],
    ['runs no test', ran({})],
    ['fails though every test passed', `${ran({ passed: 3 })}; process.exitCode = 1`],
  ])('fails where a runner %s', async (_what, script) => {
    expect((await runLayer(step(script))).failed).toHaveLength(1)
  })

  it('does not take the results of an earlier run for those of one that crashed', async () => {
    expect((await runLayer(step(ran({ passed: 3 })))).failed).toEqual([])
    expect((await runLayer(step('process.exit(1)'))).failed).toHaveLength(1)
  })

  it('fails where a test was skipped for a reason that is not listed, and in CI for one that is not meant for it', async () => {
    const run = async () => {
      const { failed, skipped: count } = await runLayer(step(ran({ passed: 1, skipped: skipped('no network', 'no Python', 'a whim') })))
      return { failed: failed.length, skipped: count }
    }
    vi.stubEnv('CI', undefined)
    expect(await run()).toEqual({ failed: 1, skipped: 2 })
    vi.stubEnv('CI', '1')
    expect(await run()).toEqual({ failed: 2, skipped: 1 })
  })

  it('counts a check as one test', async () => {
    expect(await runCheck({ ...step(''), name: 'lint' })).toEqual({ passed: 1, failed: [], skipped: 0 })
    expect((await runCheck({ ...step('process.exit(3)'), name: 'lint' })).failed).toEqual(['lint: exit code 3'])
  })
})
