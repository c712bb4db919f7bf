import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { WireResponse } from '../src/ports/federation-transport.ts'
import type { RelayConfig } from './config.ts'
import type { Inbound } from './inbound.ts'
import type { Outbound } from './outbound.ts'

/** What is looked at when somebody asks. */
export interface Measured {
  readonly awake: () => number
  readonly connections: () => number
  readonly mail: () => { readonly transactions: number; readonly bytes: number }
}

export interface Metrics {
  /** The same, counted and timed. */
  inbound(inbound: Inbound): Inbound
  outbound(outbound: Outbound): Outbound
  /** For Prometheus, in its text format. */
  text(measured: Measured): Promise<string>
}

const seconds = [0.005, 0.02, 0.1, 0.5, 2, 10, 60]

/** How the relay does. No name of a homeserver, a user or a room is in it. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const gauge = (name: string, help: string) => new Gauge({ name: `yurt_relay_${name}`, help, registers: [registry] })
  const awake = gauge('awake_homeservers', 'Homeservers that are connected and admitted')
  const connections = gauge('connections', 'Open libp2p connections')
  const mailTransactions = gauge('mail_transactions', 'Transactions kept for homeservers that sleep')
  const mailBytes = gauge('mail_bytes', 'What they take')
  const requests = new Histogram({
    name: 'yurt_relay_request_seconds',
    help: 'Time until a request was answered: inbound to homeservers here, outbound to others',
    labelNames: ['direction', 'status'],
    buckets: seconds,
    registers: [registry],
  })

  const timed = async (direction: string, answering: Promise<WireResponse>): Promise<WireResponse> => {
    const end = requests.startTimer({ direction })
    try {
      const response = await answering
      end({ status: `${Math.floor(response.status / 100)}xx` })
      return response
    } catch (error) {
      end({ status: 'none' })
      throw error
    }
  }

  return {
    inbound: (inbound) => ({ ...inbound, answer: (owner, asked) => timed('inbound', inbound.answer(owner, asked)) }),
    outbound: (outbound) => ({
      ...outbound,
      send: (to, request, signal) => timed('outbound', outbound.send(to, request, signal)),
    }),
    text: (measured) => {
      const { transactions, bytes } = measured.mail()
      awake.set(measured.awake())
      connections.set(measured.connections())
      mailTransactions.set(transactions)
      mailBytes.set(bytes)
      return registry.metrics()
    },
  }
}

/** Serves `GET /metrics` on a port of its own, which the world does not reach. */
export async function listenForPrometheus(
  { host, port }: NonNullable<RelayConfig['metrics']>,
  text: () => Promise<string>,
): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((request, response) => {
    const isAsked = request.method === 'GET' && request.url === '/metrics'
    const answering = isAsked ? text().then((body) => ({ status: 200, body })) : Promise.resolve({ status: 404, body: '' })
    answering
      .catch(() => ({ status: 500, body: '' }))
      .then(({ status, body }) => response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
