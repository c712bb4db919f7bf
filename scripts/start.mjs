import { runOnNode24 } from './first-run.mjs'

runOnNode24('start-app.ts')
