import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Outbound } from '../relay/outbound.ts'
import type { Web } from '../relay/web.ts'
import { startStaticServer } from '../scripts/serve.ts'
import { relayName } from '../src/http/relay-protocol.ts'
import { wholeOrStream } from '../worker/port-body.ts'
import { openBrowser } from './browser.ts'
import { keptCertificate, type TlsFiles } from './certificates.ts'
import type { HeadlessConfig, HomeserverConfig } from './config.ts'
import { openFront } from './http-server.ts'
import { keepPort, keptPort } from './kept-port.ts'
import { MessageLink } from './message-link.ts'
import type { PageSetup } from './page-setup.ts'

/** A homeserver that runs in a browser without a window. */
export interface RunningHomeserver {
  readonly serverName: string
  readonly clientUrl: string
  readonly federationUrl: string
  /** Resolves when its browser has ended without being asked to. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** The ways out. */
export interface World {
  readonly outbound: Outbound
  readonly web: Web
}

/** Starts one homeserver; resolves once it answers. Rejects when its browser ends before. */
export async function startHomeserver(config: HeadlessConfig, own: HomeserverConfig, world: World): Promise<RunningHomeserver> {
  const dataDir = own.dataDir ?? 'data'
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 512 << 20 })
  let link: MessageLink | undefined
  const ready = new Promise<string>((resolve) => {
    sockets.on('connection', (socket) => {
      link = linkOver(socket, world)
      link.onReady = resolve
    })
  })
  const page = await startStaticServer({
    directory: 'dist-headless',
    port: await keptPort(dataDir),
    json: { '/setup.json': setupOf(config, own) },
    upgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request)),
  })
  await keepPort(dataDir, page.port)
  const browser = await openBrowser(`http://localhost:${page.port}/page.html`, join(dataDir, 'chromium'))
  const gone = browser.ended.then(() => Promise.reject(new Error('Chromium ended before the homeserver was ready')))
  const serverName = await Promise.race([ready, gone])
  gone.catch(() => undefined)
  const tls = own.tls ? await readTls(own.tls) : await keptCertificate(dataDir, serverName)
  const client = await openFront({ surface: 'client', port: own.clientPort, link: () => link })
  const federation = await openFront({ surface: 'federation', port: own.federationPort, link: () => link, tls })
  return {
    serverName,
    clientUrl: `http://127.0.0.1:${client.port}`,
    federationUrl: `https://127.0.0.1:${federation.port}`,
    ended: browser.ended,
    close: async () => {
      await Promise.all([client.close(), federation.close()])
      await browser.close()
      sockets.close()
      await page.close()
    },
  }
}

function linkOver(socket: WebSocket, { outbound, web }: World): MessageLink {
  const link = new MessageLink(
    (bytes) => socket.send(bytes),
    async ({ to, request }, signal) => {
      const response = await (to === relayName ? web.answer(request, signal) : outbound.send(to, request, signal))
      if (response.body instanceof Uint8Array) return response
      return { ...response, body: (await wholeOrStream(response.body)) ?? new Uint8Array() }
    },
  )
  socket.on('message', (data: Buffer) => link.receive(new Uint8Array(data)))
  socket.on('close', () => link.close())
  return link
}

function setupOf(config: HeadlessConfig, { serverName }: HomeserverConfig): PageSetup {
  return {
    ...(serverName === undefined ? {} : { serverName }),
    settings: {
      open_registration: config.openRegistration,
      rate_limits: config.rateLimits,
      fast_password_hash: config.fastPasswordHash,
      ...(config.sharedSecret === undefined ? {} : { shared_secret: config.sharedSecret }),
    },
  }
}

async function readTls({ certFile, keyFile }: { certFile: string; keyFile: string }): Promise<TlsFiles> {
  return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') }
}
