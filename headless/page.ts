import { proxy, transfer, wrap } from 'comlink'
import * as v from 'valibot'
import { connectHomeserver, type HomeserverLink } from '../worker/federation-bridge.ts'
import type { HomeserverControl } from '../worker/homeserver-host.ts'
import type { FromHomeserver, ToHomeserver } from '../worker/protocol.ts'
import { MessageLink } from './message-link.ts'
import { type PageSetup, pageSetupSchema } from './page-setup.ts'

/**
 * A tab without people: the real homeserver worker on the real IndexedDB, with a socket to the headless program in the place
 * of the service worker and of libp2p.
 */
async function main(): Promise<void> {
  const setup = v.parse(pageSetupSchema, await (await fetch('/setup.json')).json())
  const socket = new WebSocket(`ws://${location.host}/link`)
  socket.binaryType = 'arraybuffer'
  let homeserver: HomeserverLink | undefined
  const link = new MessageLink(
    (bytes) => socket.send(bytes),
    async ({ surface, address, request }, signal) => {
      if (!homeserver) throw new Error('The homeserver is starting')
      const response = await homeserver.handle({ surface, address, request }, signal)
      return { ...response, body: new Uint8Array(await new Response(response.body).arrayBuffer()) }
    },
  )
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => link.receive(new Uint8Array(data))
  socket.onclose = () => link.close()
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  for (;;) {
    const reason = await term(link, setup, (started) => {
      homeserver = started
    })
    homeserver = undefined
    console.warn(`the homeserver worker ended: ${reason}`)
  }
}

/** One life of a homeserver worker; resolves with the reason when it has ended. */
async function term(link: MessageLink, setup: PageSetup, started: (homeserver: HomeserverLink) => void): Promise<string> {
  const worker = new Worker(new URL('../worker/homeserver-worker.ts', import.meta.url), { type: 'module', name: 'homeserver' })
  try {
    const control = wrap<HomeserverControl>(worker)
    const { port1, port2 } = new MessageChannel()
    const options = { worker: crypto.randomUUID(), hadIdentity: false, federationPort: port1 }
    await control.start(
      transfer(options, [port1]),
      proxy(() => undefined),
    )
    const homeserver = connectHomeserver(port2, {
      request: (to, request, signal) => link.request({ surface: 'federation', address: '', to, request }, signal),
    })
    homeserver.routeChanged('*', 'https')
    const { port1: mine, port2: theirs } = new MessageChannel()
    void control.attach(transfer(theirs, [theirs]))
    const ended = control.ended()
    const ready = prepare(controlRequests(mine), setup).then(async () => {
      const { identity } = await control.running()
      started(homeserver)
      link.ready(identity.serverName)
    })
    await Promise.race([ready, ended])
    return await ended
  } finally {
    worker.terminate()
  }
}

/** Settings first: a worker that runs by others ends, and the next one finds them. */
async function prepare(ask: (method: string, path: string, body: object) => Promise<number>, setup: PageSetup): Promise<void> {
  await ask('PUT', 'settings', setup.settings)
  await ask('POST', 'identity', setup.serverName === undefined ? {} : { server_name: setup.serverName })
}

/** The worker's control API over a port of its bridge. */
function controlRequests(port: MessagePort): (method: string, path: string, body: object) => Promise<number> {
  const waiting = new Map<number, (status: number) => void>()
  port.onmessage = ({ data }: MessageEvent<FromHomeserver>) => {
    if (data.type === 'response') waiting.get(data.id)?.(data.status)
  }
  return (method, path, body) =>
    new Promise((resolve) => {
      const id = waiting.size + 1
      waiting.set(id, resolve)
      const message: ToHomeserver = {
        type: 'request',
        id,
        method,
        url: `${location.origin}/_yurt/${path}`,
        headers: [['content-type', 'application/json']],
        body: new TextEncoder().encode(JSON.stringify(body)),
        clientId: 'headless',
        vouched: false,
        requestId: undefined,
      }
      port.postMessage(message)
    })
}

void main()
