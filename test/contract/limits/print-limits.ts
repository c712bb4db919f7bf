import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { limits, limitsPageOf } from './limits-table.ts'

// `npm run limits` prints what the homeserver takes, keeps and does at most; with `-- --write` it puts that into docs/limits.md.
const { values } = parseArgs({ options: { write: { type: 'boolean' } } })
const page = limitsPageOf(limits())
console.log(page)
if (values.write) writeFileSync(join(import.meta.dirname, '../../../docs/limits.md'), page)
