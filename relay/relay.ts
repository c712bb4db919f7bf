import { readFileSync } from 'node:fs'
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { ByteBudget } from '../src/http/byte-budget.ts'
import type { Label } from '../src/spec/self-certifying.ts'
import { createAdmission } from './admission.ts'
import type { RelayConfig } from './config.ts'
import { openDatabase } from './database.ts'
import { listenForServers } from './federation-listener.ts'
import { createHomeservers } from './homeservers.ts'
import { createInbound } from './inbound.ts'
import { createRelayNode, labelOfPeer } from './libp2p.ts'
import { createMailbox } from './mailbox.ts'
import { createMetrics, listenForPrometheus } from './metrics.ts'
import { createOutbound } from './outbound.ts'
import { createOutboundRights } from './outbound-rights.ts'
import { createSignatureCheck } from './request-signature.ts'
import { serveHomeservers } from './streams.ts'
import { createTabs, type Tabs } from './tabs.ts'
import { createRateLimit } from './token-bucket.ts'
import { createWeb } from './web.ts'

/** A relay that runs. */
export interface RunningRelay {
  /** What whoever started it is told; holds the token. */
  readonly ready: RelayReady
  /** Ends connections, and resolves once all accepted mail is on the disk. */
  stop(): Promise<void>
}

export interface RelayReady {
  readonly event: 'ready'
  /** The multiaddr that tabs dial. */
  readonly address: string
  readonly addresses: readonly string[]
  /** Homeservers here may be called `label.domain`. */
  readonly domain?: string
  /** What admits a homeserver, where one is needed. */
  readonly token?: string
  readonly federationPort: number
  /** Where Prometheus is served, if it is. */
  readonly metricsPort?: number
}

const housekeepingMs = 3600_000
/** Who has not said hello by then is disconnected. */
const strangerMs = 30_000

/** Starts a relay. Rejects when a port is taken, or a file of the configuration cannot be read. */
export async function startRelay(config: RelayConfig, logger: Logger): Promise<RunningRelay> {
  const { domain, names, limits } = config
  const trustedCa = config.trustedCaFiles.map((file) => readFileSync(file, 'utf8'))
  const admission = createAdmission(config.admission, config.dataDir)
  const database = openDatabase(config.dataDir)
  const mailbox = createMailbox(database, limits, Date.now)
  const homeservers = createHomeservers(database, Date.now)
  const tabs = createTabs()
  const timeoutMs = limits.requestSeconds * 1000
  const reach = { trustedCa, allowPrivateAddresses: config.allowPrivateAddresses }
  // Pages and push gateways are asked for by users: what is written down for servers does not lead there.
  const web = createWeb(reach)
  const metrics = createMetrics()
  const sending = createOutbound({
    ...reach,
    resolve: config.resolve,
    maxResponseBytes: limits.responseMegabytes << 20,
    timeoutMs,
  })
  const outbound = metrics.outbound(sending)
  const budget = new ByteBudget(limits.bufferMegabytes << 20)
  const signatures = createSignatureCheck(outbound, Date.now)
  const inbound = metrics.inbound(createInbound({ tabs, homeservers, mailbox, signatures, domain, names, timeoutMs }))
  const node = await createRelayNode(config, (label: Label) => tabs.isAwake(label))
  await serveHomeservers(node, {
    admission,
    homeservers,
    tabs,
    mailbox,
    inbound,
    outbound,
    web,
    rights: createOutboundRights({ outbound, domain, names }),
    perPeer: createRateLimit(limits.outboundPerPeerPerMinute, Date.now),
    inTotal: createRateLimit(limits.outboundPerMinute, Date.now),
    domain,
    maxBodyBytes: limits.requestMegabytes << 20,
    budget,
    logger,
  })
  await node.start()
  closeStrangers(node, tabs)
  const health = () => ({ status: 'ok', awake: tabs.size, connections: node.getConnections().length })
  const measured = { awake: () => tabs.size, connections: () => node.getConnections().length, mail: mailbox.usage }
  const prometheus = config.metrics && (await listenForPrometheus(config.metrics, () => metrics.text(measured)))
  const listener = await listenForServers({ config, inbound, budget, health, logger })
  mailbox.expire()
  const housekeeping = setInterval(() => mailbox.expire(), housekeepingMs)
  const addresses = node.getMultiaddrs().map((address) => multiaddr(address).toString())
  const stop = async (): Promise<void> => {
    clearInterval(housekeeping)
    prometheus?.close()
    await listener.close()
    await node.stop()
    outbound.close()
    web.close()
    await mailbox.close()
    database.close()
  }
  let stopped: Promise<void> | undefined
  const [address] = addresses
  if (address === undefined) throw new Error('The relay has no address that tabs could dial')
  return {
    ready: {
      event: 'ready',
      address,
      addresses,
      ...(domain === undefined ? {} : { domain }),
      ...(admission.token === undefined ? {} : { token: admission.token }),
      federationPort: listener.port,
      ...(prometheus ? { metricsPort: prometheus.port } : {}),
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

function closeStrangers(node: Libp2p, tabs: Tabs): void {
  node.addEventListener('connection:open', ({ detail: connection }) => {
    const timer = setTimeout(() => {
      if (!tabs.isAwake(labelOfPeer(connection.remotePeer) ?? '')) connection.close().catch(() => undefined)
    }, strangerMs)
    timer.unref()
    connection.addEventListener('close', () => clearTimeout(timer), { once: true })
  })
}
