import { runOnNode24 } from './first-run.mjs'

runOnNode24('run-tests.ts')
