import { parseArgs } from 'node:util'
import { supportedRoomVersions } from '../../src/spec/room-version.ts'
import { runScenario } from './scenario.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '100' },
    servers: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '8' },
    trace: { type: 'boolean', default: false },
  },
})

const first = Number(values.seed ?? Math.floor(Date.now() % 1_000_000))
const runs = values.seed === undefined ? Number(values.runs) : 1
const plan = { servers: Number(values.servers), rounds: Number(values.rounds), versions: supportedRoomVersions() }
let failed = 0
for (let seed = first; seed < first + runs; seed++) {
  const { faults, trace, diverged } = await runScenario(seed, plan)
  if (values.trace) console.log(trace.join('\n'))
  if (faults.length === 0) continue
  failed++
  console.log(
    `seed ${seed}${diverged ? ' (diverged)' : ''} failed; replay: npm run simulate -- --seed ${seed} --servers ${plan.servers} --trace`,
  )
  for (const fault of faults) console.log(`  ${fault}`)
}
console.log(`${runs - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
