import { parseArgs } from 'node:util'
import { InProcessNetwork } from '../homeservers-in-process.ts'
import { operationsTable } from './operations-table.ts'
import { writeGeneratedPart } from './readme.ts'

// `npm run operations` prints which operations of the specification are served; with `-- --write` it puts that into the README.
const { values } = parseArgs({ options: { write: { type: 'boolean' } } })
const network = new InProcessNetwork()
const { homeserver } = await network.start('home.example')
const table = operationsTable(await homeserver.endpoints())
await network.stop()
console.log(table)
if (values.write) writeGeneratedPart(table)
