import { parseArgs } from 'node:util'
import { clientRows } from './client-rows.ts'

const help = `npm run bench -- [options]
  engine             the room engine alone: state resolution, state, back-fill
  join               joining a big room of another server, beside Synapse
  --members NUMBER   how many users are in it (default 10000)
  relay              the relay: CPU of a transaction, many tabs
  --tabs NUMBER      how many of them (default 200)
  headless           how soon headless homeservers are ready
  --rooms NUMBER     how many rooms the account is in (default 500)
  --messages NUMBER  how many messages each of them has (default 4)
  --alone            without Synapse`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    members: { type: 'string', default: '10000' },
    rooms: { type: 'string', default: '500' },
    messages: { type: 'string', default: '4' },
    tabs: { type: 'string', default: '200' },
    alone: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(help)
else if (positionals.includes('engine')) await (await import('./engine.ts')).benchEngine()
else if (positionals.includes('join')) await (await import('./big-join.ts')).benchJoin(Number(values.members), { alone: values.alone })
else if (positionals.includes('relay')) await (await import('./relay.ts')).benchRelay(Number(values.tabs))
else if (positionals.includes('headless')) await (await import('./headless.ts')).benchHeadless()
else await clientRows({ rooms: Number(values.rooms), messagesPerRoom: Number(values.messages) }, { alone: values.alone })
