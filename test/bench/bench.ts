import { parseArgs } from 'node:util'
import { clientRows } from './client-rows.ts'

const help = `npm run bench -- [options]
  --rooms NUMBER     how many rooms the account is in (default 500)
  --messages NUMBER  how many messages each of them has (default 4)
  --alone            without Synapse`

const { values } = parseArgs({
  options: {
    rooms: { type: 'string', default: '500' },
    messages: { type: 'string', default: '4' },
    alone: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(help)
else await clientRows({ rooms: Number(values.rooms), messagesPerRoom: Number(values.messages) }, { alone: values.alone })
