import { parseArgs } from 'node:util'
import { type Outcome, runCheck, runLayer } from './test-steps.ts'

interface Step {
  readonly name: string
  readonly run: () => Promise<Outcome>
}

const minuteMs = 60_000
const binary = (path: string): string => `node_modules/${path}`
const script = (name: string): string[] => ['npm', 'run', '--silent', name]

const steps: readonly Step[] = [
  check('lint', script('lint')),
  check('imports', script('imports')),
  check('types', script('types')),
  check('dead', script('dead')),
  check('build', script('build')),
  check('size', script('size')),
  vitest('unit', 10),
  vitest('contract', 10),
  vitest('simulation', 20),
  check('mutants', script('mutants')),
  {
    name: 'browser',
    run: () =>
      runLayer({
        name: 'browser',
        command: [process.execPath, binary('@playwright/test/cli.js'), 'test', '--reporter=list,./scripts/playwright-reporter.ts'],
        timeoutMs: 36 * minuteMs,
        inChromium: true,
      }),
  },
  vitest('headless', 15, true),
  vitest('interop', 20, true),
]

function check(name: string, command: readonly string[]): Step {
  return { name, run: () => runCheck({ name, command, timeoutMs: 10 * minuteMs }) }
}

function vitest(name: string, timeoutMinutes: number, inChromium = false): Step {
  const command = [
    process.execPath,
    binary('vitest/vitest.mjs'),
    'run',
    `--project=${name}`,
    '--reporter=default',
    '--reporter=./scripts/vitest-reporter.ts',
    '--allowOnly=false',
  ]
  return { name, run: () => runLayer({ name, command, timeoutMs: timeoutMinutes * minuteMs, inChromium }) }
}

function chosenSteps(): readonly Step[] {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  if (values.only === undefined) return steps
  const names = values.only.split(',')
  const unknown = names.filter((name) => !steps.some((step) => step.name === name))
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(', ')}. The steps are ${steps.map(({ name }) => name).join(', ')}`)
    process.exit(2)
  }
  return steps.filter(({ name }) => names.includes(name))
}

async function main(): Promise<void> {
  const chosen = chosenSteps()
  const outcomes: Outcome[] = []
  for (const [index, step] of chosen.entries()) {
    console.log(`\n━━ ${index + 1}/${chosen.length} ${step.name}`)
    const start = performance.now()
    const outcome = await step.run()
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    console.log(`━━ ${step.name}: ${totals(outcome.passed, outcome.failed.length, outcome.skipped)} (${seconds} s)`)
    outcomes.push(outcome)
  }
  const failures = outcomes.flatMap(({ failed }) => failed)
  console.log('')
  for (const failure of failures) console.log(`FAILED ${failure}`)
  console.log(totals(sum(outcomes, 'passed'), failures.length, sum(outcomes, 'skipped')))
  process.exitCode = failures.length === 0 ? 0 : 1
}

function totals(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

function sum(outcomes: readonly Outcome[], key: 'passed' | 'skipped'): number {
  return outcomes.reduce((total, outcome) => total + outcome[key], 0)
}

await main()
