import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Fault, Killer } from './fault.ts'
import { faults } from './faults.ts'

const help = `Plants faults in the source, one after the other, and sees the tests fail that are there to notice them.

  npm run mutants                      all of them
  npm run mutants -- --only ordering   those whose names hold a word`

const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean', default: false } } })
if (values.help) {
  console.log(help)
  process.exit(0)
}

interface Results {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[] }[]
}

/** Runs the tests that are to notice a fault, with the fault in place if there is one; `undefined` if the runner itself failed. */
async function run(killers: readonly Killer[], fault: Fault | undefined): Promise<Results | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'yurt-mutants-'))
  const file = join(directory, 'results.json')
  const names = killers.map(({ test }) => test.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  const parameters = ['--config', 'test/mutants/vitest.config.ts', '--reporter=json', `--outputFile=${file}`]
  const command = [
    'node_modules/vitest/vitest.mjs',
    'run',
    ...parameters,
    ...(names ? ['-t', names] : []),
    ...new Set(killers.map((each) => each.file)),
  ]
  const { YURT_FAULT: _, ...environment } = process.env
  const env = { ...environment, ...(fault ? { YURT_FAULT: fault.name } : {}) }
  await new Promise<void>((resolve) => spawn(process.execPath, command, { env, stdio: 'ignore' }).on('exit', () => resolve()))
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results
  } catch {
    return undefined
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function namesOfFailed({ testResults }: Results): string[] {
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .flatMap(({ fullName, status }) => (status === 'failed' ? fullName : []))
}

/** What is wrong with a fault's tests; `undefined` if they notice it. */
async function problemWith(fault: Fault): Promise<string | undefined> {
  const found = await run(fault.killers, fault)
  if (!found) return 'the tests did not run'
  return found.numFailedTests > 0 ? undefined : `lives: ${found.numPassedTests} tests passed with it`
}

const chosen = faults.filter(({ name }) => name.includes(values.only ?? ''))
const sound = await run(
  chosen.flatMap(({ killers }) => killers),
  undefined,
)
const soundness = sound && sound.numFailedTests === 0 && sound.numPassedTests > 0
console.log(soundness ? `without faults ${sound.numPassedTests} tests pass` : 'without faults the tests must pass, and do not')
if (sound && !soundness) for (const name of namesOfFailed(sound)) console.log(`  ${name}`)
let failed = soundness ? 0 : 1
for (const fault of soundness ? chosen : []) {
  const problem = await problemWith(fault)
  if (problem !== undefined) failed++
  console.log(`${problem === undefined ? 'noticed' : 'FAILED '} ${fault.name}${problem === undefined ? '' : `: ${problem}`}`)
}
console.log(`${chosen.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
