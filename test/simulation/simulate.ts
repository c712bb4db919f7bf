import { parseArgs } from 'node:util'
import { runScenario } from './scenario.ts'

const help = `Runs simulations of several homeservers (see test/simulation), each decided by a seed.

  npm run simulate -- --runs 5000          seeds from the clock on
  npm run simulate -- --seed 42 --trace    one run again, with all that happened
  --from N       the first of --runs seeds
  --servers N    3 to 8; the seed decides if it is not given, as with the next three
  --rooms N
  --rounds N     rounds of deeds and faults
  --version V    the version of all rooms
  --plain        nobody renews the keys of devices, and few change who sees history
  --staying      nobody replaces rooms, and few let only members of other rooms in
  --stop         at the first failure`

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string' },
    runs: { type: 'string', default: '100' },
    servers: { type: 'string' },
    rooms: { type: 'string' },
    rounds: { type: 'string' },
    version: { type: 'string' },
    plain: { type: 'boolean', default: false },
    staying: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(help)
  process.exit(0)
}

const first = Number(values.seed ?? values.from ?? Date.now() % 1_000_000)
const runs = values.seed === undefined ? Number(values.runs) : 1
const { servers, rooms, rounds, version } = values
const plan = {
  ...(servers === undefined ? {} : { servers: Number(servers) }),
  ...(rooms === undefined ? {} : { rooms: Number(rooms) }),
  ...(rounds === undefined ? {} : { rounds: Number(rounds) }),
  ...(version === undefined ? {} : { version }),
}
const options = [
  ...Object.entries(plan).map(([name, value]) => ` --${name} ${value}`),
  ...(values.plain ? [' --plain'] : []),
  ...(values.staying ? [' --staying'] : []),
]
const unhandled: string[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)))
const totals: Record<string, number> = { diverged: 0 }
let failed = 0
for (let seed = first; seed < first + runs; seed++) {
  const { faults: found, trace, diverged, counts } = await runScenario(seed, { ...plan, varied: !values.plain, moving: !values.staying })
  const faults = [...found, ...unhandled.splice(0)]
  if (values.trace) console.log(trace.join('\n'))
  for (const [name, count] of Object.entries({ ...counts, diverged: Number(diverged) })) totals[name] = (totals[name] ?? 0) + count
  if (faults.length === 0) continue
  failed++
  console.log(`seed ${seed} failed; replay: npm run simulate -- --seed ${seed}${options.join('')} --trace`)
  for (const fault of faults.slice(0, 12)) console.log(`  ${fault}`)
  if (faults.length > 12) console.log(`  and ${faults.length - 12} more`)
  if (values.stop) break
}
console.log(JSON.stringify(totals))
console.log(`${runs - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
