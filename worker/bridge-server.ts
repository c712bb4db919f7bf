import { transferOf, wholeOrStream } from './port-body.ts'
import type { BridgeHello, BridgeRequest, FromHomeserver, ToHomeserver } from './protocol.ts'

interface Bridge {
  readonly hello: BridgeHello
  /** Answers a request of a page. `signal` aborts when the page has gone. */
  answer(request: BridgeRequest, signal: AbortSignal): Promise<Response>
  /** Resolves while this worker leads; rejects once it must be silent. */
  pass(): Promise<void>
}

/** The homeserver worker's end of a port to a service worker: says hello, then answers. Silent once `pass` rejects. */
export async function serveBridge(port: MessagePort, bridge: Bridge): Promise<void> {
  const running = new Map<number, AbortController>()
  const post = (message: FromHomeserver, transfer: Transferable[] = []) => port.postMessage(message, transfer)

  const respond = async (request: BridgeRequest): Promise<void> => {
    const controller = new AbortController()
    running.set(request.id, controller)
    try {
      const response = await bridge.answer(request, controller.signal)
      const body = await wholeOrStream(response.body)
      await bridge.pass()
      post({ type: 'response', id: request.id, status: response.status, headers: [...response.headers], body }, transferOf(body))
    } finally {
      running.delete(request.id)
    }
  }

  port.onmessage = ({ data }: MessageEvent<ToHomeserver>) => {
    if (data.type === 'abort') running.get(data.id)?.abort()
    // A failure here means that this worker is fenced: the service worker asks the next one.
    else respond(data).catch(() => port.close())
  }
  await bridge.pass()
  post(bridge.hello)
}
