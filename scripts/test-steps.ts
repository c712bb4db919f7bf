import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { buildIfStale } from './build.ts'
import { provideChromium } from './chromium.ts'
import { type LayerResults, resultsFileVariable, type SkippedTest } from './layer-results.ts'

/** What a step adds to the sums of `npm test`. */
export interface Outcome {
  readonly passed: number
  /** What failed, each with its name. */
  readonly failed: readonly string[]
  readonly skipped: number
}

interface Command {
  readonly name: string
  readonly command: readonly string[]
  readonly timeoutMs: number
}

interface Layer extends Command {
  /** Whether its tests start Chromium on what `npm run build` made. */
  readonly inChromium: boolean
}

interface AllowedSkip {
  readonly reason: string
  /** Whether it is a reason on the machine that checks every change, too. */
  readonly inCi: boolean
}

/** Runs a command that counts as one test. */
export async function runCheck(check: Command): Promise<Outcome> {
  const problem = await problemOf(check, {})
  return problem === undefined ? { passed: 1, failed: [], skipped: 0 } : { passed: 0, failed: [`${check.name}: ${problem}`], skipped: 0 }
}

/** Runs the tests of test/NAME and counts them; a runner that crashed, or ran nothing, counts as a failure. */
export async function runLayer(layer: Layer): Promise<Outcome> {
  const fail = (problem: string): Outcome => ({ passed: 0, failed: [`${layer.name}: ${problem}`], skipped: 0 })
  if (layer.inChromium && !provideChromium()) return fail('there is no Chromium')
  if (layer.inChromium && !buildIfStale()) return fail('the build failed')
  const file = `${process.cwd()}/test-results/${layer.name}.json`
  mkdirSync('test-results', { recursive: true })
  rmSync(file, { force: true })
  const problem = await problemOf(layer, { [resultsFileVariable]: file })
  if (!existsSync(file)) return fail(`the runner left no results: ${problem ?? 'it crashed'}`)
  const results: LayerResults = JSON.parse(readFileSync(file, 'utf8'))
  return outcomeOf(layer.name, results, problem)
}

function outcomeOf(name: string, results: LayerResults, problem: string | undefined): Outcome {
  const forbidden = results.skipped.filter((test) => !isAllowed(test))
  const failed = [
    ...results.failed,
    ...forbidden.map((test) => `${test.name} was skipped for a reason that test/allowed-skips.json does not name: "${test.reason}"`),
  ]
  const ran = results.passed + results.failed.length + results.skipped.length
  if (ran === 0) failed.push('the runner ran no test')
  else if (problem !== undefined && failed.length === 0) failed.push(`the runner failed: ${problem}`)
  return {
    passed: results.passed,
    failed: failed.map((failure) => `${name}: ${failure}`),
    skipped: results.skipped.length - forbidden.length,
  }
}

function isAllowed({ reason }: SkippedTest): boolean {
  const allowed: readonly AllowedSkip[] = JSON.parse(readFileSync('test/allowed-skips.json', 'utf8'))
  return allowed.some((skip) => skip.reason === reason && (skip.inCi || process.env.CI === undefined))
}

/** Runs a command to its end; answers why it failed, or `undefined`. It and all it started are killed at the time-out. */
function problemOf({ command, timeoutMs }: Command, environment: Readonly<Record<string, string>>): Promise<string | undefined> {
  const [program = '', ...parameters] = command
  const child = spawn(program, parameters, {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: { ...process.env, ...environment },
  })
  const killAll = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
  const interrupt = (): void => {
    killAll()
    process.exit(130)
  }
  return new Promise((resolve) => {
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      killAll()
    }, timeoutMs)
    const done = (problem: string | undefined): void => {
      clearTimeout(timer)
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
      resolve(timedOut ? `not done within ${timeoutMs / 60_000} minutes` : problem)
    }
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
    child.on('error', (error) => done(error.message))
    child.on('exit', (code, signal) => done(code === 0 ? undefined : signal === null ? `exit code ${code}` : `ended by ${signal}`))
  })
}
