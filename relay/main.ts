import { registerHooks } from 'node:module'
import { parseArgs } from 'node:util'
import pino from 'pino'
import { ConfigError, readConfig } from './config.ts'
import { help } from './help.ts'

/** The build of noise for Node loads WebAssembly; that for browsers does without. Nothing else here needs it either. */
function avoidWebAssembly(): void {
  registerHooks({
    resolve: (specifier, context, next) => {
      const isNoise = /@libp2p[/\\]noise[/\\]/.test(context.parentURL ?? '') && specifier.endsWith('/crypto/index.js')
      return next(isNoise ? specifier.replace('index.js', 'index.browser.js') : specifier, context)
    },
  })
  Reflect.deleteProperty(globalThis, 'WebAssembly')
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' }, help: { type: 'boolean', default: false } } })
  if (values.help) return console.log(help)
  const config = readConfig(values.config, process.env)
  const logger = pino({ level: config.logLevel, base: undefined }, pino.destination(2))
  avoidWebAssembly()
  const { startRelay } = await import('./relay.ts')
  const relay = await startRelay(config, logger)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'stopping')
      relay.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ error: String(error) }, 'the relay did not stop in order')
          process.exit(1)
        },
      )
    })
  }
  console.log(JSON.stringify(relay.ready))
}

try {
  await main()
} catch (error) {
  console.error(error instanceof ConfigError || (error instanceof Error && 'code' in error) ? error.message : error)
  process.exitCode = 1
}
