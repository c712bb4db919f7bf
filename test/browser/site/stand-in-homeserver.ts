import type { RequestOrigin } from '../../../src/http/endpoint.ts'
import { readBytes } from '../../../src/http/json-body.ts'
import type { HomeserverPorts } from '../../../src/ports/homeserver-ports.ts'
import { put, type Write } from '../../../src/ports/storage.ts'
import { meta } from '../../../src/storage/tables/streams.ts'

type Answer = (request: Request, query: URLSearchParams) => Promise<Response>

const pixel = Uint8Array.from(
  atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='),
  (character) => character.charCodeAt(0),
)

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Stands in for the homeserver where the parts around it are tested: answers at once, late, in streams or never, and counts in
 * storage how often each thing was done.
 */
export async function createHomeserver({ storage, signer, settings }: HomeserverPorts) {
  let cancelled = 0
  let queue: Promise<unknown> = Promise.resolve()
  const read = async (key: string) => (await storage.read([meta], (tx) => tx.get(meta, key))) ?? 0
  const increment = (key: string, alongside: readonly Write[] = []): Promise<number> => {
    const turn = queue.then(async () => {
      const count = (await read(key)) + 1
      await storage.commit([put(meta, key, count), ...alongside], 'strict')
      return count
    })
    queue = turn
    return turn
  }
  const answers: Record<string, Answer> = {
    name: async () => Response.json({ server_name: signer.serverName, incarnation: settings.incarnation, upload: settings.maxUploadBytes }),
    echo: async (request) =>
      Response.json({ method: request.method, url: request.url, body: await request.text(), type: request.headers.get('content-type') }),
    sleep: async (_request, query) => {
      await pause(Number(query.get('ms')))
      return Response.json({})
    },
    /** Counts, then answers late: whoever kills the worker in between has a request that was done and not answered. */
    add: async (request, query) => {
      const count = await increment(`test:${query.get('name')}`)
      await pause(Number(query.get('ms')))
      return Response.json({ count, body: await request.text() })
    },
    count: async (_request, query) => Response.json({ count: await read(`test:${query.get('name')}`) }),
    upload: async (request) => Response.json({ bytes: (await readBytes(request.body, 100 << 20)).byteLength }),
    stream: async (_request, query) =>
      new Response(slowStream({ count: Number(query.get('chunks')), ms: Number(query.get('ms')), cancelled: () => cancelled++ }), {
        headers: { 'content-type': 'text/plain' },
      }),
    big: async (_request, query) => new Response(new Uint8Array(Number(query.get('bytes'))).fill(7)),
    /** Hangs whoever gets it first, as a bug would. */
    'hang-once': async (_request, query) => {
      const end = (await increment('test:hang')) === 1 ? Date.now() + Number(query.get('ms')) : 0
      while (Date.now() < end);
      return Response.json({})
    },
    cancelled: async () => Response.json(cancelled),
    empty: async () => new Response(null, { status: 204 }),
    page: async () => new Response('<script>parent.pwned = true</script>', { headers: { 'content-type': 'text/html' } }),
  }
  return {
    handleClient: async (request: Request, { keep }: RequestOrigin): Promise<Response> => {
      const url = new URL(request.url)
      const answer = answers[url.pathname.replace('/_matrix/test/', '')]
      if (answer) return answer(request, url.searchParams)
      const isKnown = request.headers.get('authorization') === 'Bearer good'
      if (!isKnown) return Response.json({ errcode: 'M_UNKNOWN_TOKEN', error: 'Unknown token' }, { status: 401 })
      if (url.pathname.endsWith('/createRoom')) {
        const answer = { room_id: `!${crypto.randomUUID()}` }
        await increment('test:room', keep?.(answer))
        await pause(Number(url.searchParams.get('ms')))
        return Response.json(answer)
      }
      return url.pathname.includes('/media/') ? new Response(pixel, { headers: { 'content-type': 'image/png' } }) : Response.json({})
    },
    handleFederation: async () => Response.json({}),
    queues: async () => [],
    joins: () => [],
    idle: async () => undefined,
    stop: async () => undefined,
  }
}

function slowStream({
  count,
  ms,
  cancelled,
}: {
  count: number
  ms: number
  cancelled: () => void
}): ReadableStream<Uint8Array<ArrayBuffer>> {
  let sent = 0
  return new ReadableStream({
    async pull(controller) {
      if (sent === count) return controller.close()
      await pause(ms)
      controller.enqueue(new TextEncoder().encode(`${'x'.repeat(300_000)}${sent++}\n`))
    },
    cancel: cancelled,
  })
}
