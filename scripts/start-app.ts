import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildIfStale } from './build.ts'
import { MountedClient } from './mounted-client.ts'
import { type RelayProcess, startRelay } from './relay-process.ts'
import { type StaticServer, startStaticServer } from './serve.ts'

const help = `npm start -- [options]
  --port NUMBER   where the pages are served, on loopback (default 8420, or the variable PORT)
  --client DIR    the built web client in DIR, as it is, at / (Element Web, Cinny, Hydrogen, …): its config.json is pointed at
                  this browser's homeserver; our own app is then at /yurt.html. One client for each port; restart after rebuilding it
  --no-relay      only the pages: this browser's homeservers reach nobody else
  --help`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: process.env.PORT ?? '8420' },
      client: { type: 'string' },
      'no-relay': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(help)
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port: ${values.port} is not a port`)
  const client = values.client === undefined ? undefined : await MountedClient.read(resolve(values.client))
  if (!buildIfStale()) throw new Error('The build failed')
  await run({ port, client, withRelay: !values['no-relay'] })
}

interface AppOptions {
  readonly port: number
  readonly client: MountedClient | undefined
  readonly withRelay: boolean
}

/** Runs the relay and the static server until a signal or the relay's end. */
async function run({ port, client, withRelay }: AppOptions): Promise<void> {
  const stopped = Promise.withResolvers<void>()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.resolve())
  // Whoever started this script is gone.
  process.on('disconnect', () => stopped.resolve())
  process.channel?.unref()
  let relay: RelayProcess | undefined
  let pages: StaticServer | undefined
  try {
    relay = withRelay ? await startRelay({ logFile: 'data/relay.log', signal: stopped.promise }) : undefined
    const json = relay === undefined ? {} : { '/relay.json': relay.ready }
    pages = await startStaticServer({ directory: 'dist', port, json, ...(client ? { client } : {}) })
    console.log(`Yurt is running: open ${pages.url} in a browser. Ctrl-C stops it.`)
    await Promise.race([stopped.promise, relay?.failed ?? stopped.promise])
  } finally {
    await Promise.all([pages?.close(), relay?.stop()])
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
