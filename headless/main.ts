import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createOutbound } from '../relay/outbound.ts'
import { createWeb } from '../relay/web.ts'
import { buildIfStale } from '../scripts/build.ts'
import { provideChromium } from '../scripts/chromium.ts'
import { ConfigError, readConfig } from './config.ts'
import { startHomeserver } from './homeserver.ts'

const usage = `Runs homeservers in headless Chromium and offers their APIs over HTTP and HTTPS.

  npm run headless -- --config FILE

One line of JSON on standard output says when they are ready; SIGTERM stops them. See the README for the configuration.`

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { config: { type: 'string' }, help: { type: 'boolean', default: false } } })
  if (values.help || values.config === undefined) {
    console.error(usage)
    return values.help ? 0 : 2
  }
  const stop = stopSignal()
  const config = await readConfig(values.config)
  if (!provideChromium() || !buildIfStale('headless')) return 1
  const trustedCa = await Promise.all(config.trustedCaFiles.map((file) => readFile(file, 'utf8')))
  const { resolve, allowPrivateAddresses } = config
  const outbound = createOutbound({ resolve, trustedCa, allowPrivateAddresses })
  const web = createWeb({ trustedCa, allowPrivateAddresses })
  const homeservers = await Promise.all(config.homeservers.map((own) => startHomeserver(config, own, { outbound, web })))
  const described = homeservers.map(({ serverName, clientUrl, federationUrl }) => ({ serverName, clientUrl, federationUrl }))
  console.log(JSON.stringify({ event: 'ready', homeservers: described }))
  const died = Promise.race(homeservers.map(({ ended }) => ended)).then(() => 'died' as const)
  const why = await Promise.race([stop, died])
  if (why === 'died') console.error('A Chromium ended by itself')
  await Promise.all(homeservers.map((homeserver) => homeserver.close()))
  outbound.close()
  web.close()
  return why === 'died' ? 1 : 0
}

function stopSignal(): Promise<'stopped'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve('stopped'))
  })
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof ConfigError ? error.message : error)
    process.exit(error instanceof ConfigError ? 2 : 1)
  },
)
