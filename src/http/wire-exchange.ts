import type { WireRequest, WireResponse } from '../ports/federation-transport.ts'
import { limitExceeded, type MatrixError, tooLarge } from '../spec/errors.ts'
import type { ServerName } from '../spec/event.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { FrameChannel } from './frame-channel.ts'
import { joinBytes } from './join-bytes.ts'
import { ProtocolError } from './wire-frame.ts'
import { decodeRequestHead, decodeResponseHead, encodeHead } from './wire-head.ts'
import { wireError } from './wire-response.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** The server asked for cannot be reached: there is no response, and trying later may help. */
export class Unreachable extends Error {
  override name = 'Unreachable'
}

/** A request on its way to a server. */
export interface Exchange {
  readonly to: ServerName
  readonly request: WireRequest
  /** Gives the request up; the channel is then of no use any more. */
  readonly signal: AbortSignal
}

/** Bodies up to this size are handed over whole; larger ones as a stream. */
const wholeBodyBytes = 128 * 1024

/** What came of an exchange. */
export interface Outcome {
  /** {@link Unreachable}, as a value, when the other side cannot reach the server. */
  readonly response: WireResponse | Unreachable
  /** Resolves once the channel may carry the next exchange; rejects when it never will. */
  readonly idle: Promise<void>
}

/**
 * Sends one request over `channel`, which carries one exchange at a time, and resolves with the head of the response and its
 * body, whole if it is small. Rejects when the channel breaks or the signal aborts.
 */
export async function exchange(channel: FrameChannel, { to, request, signal }: Exchange): Promise<Outcome> {
  const { method, uri, headers, body } = request
  const idle = Promise.withResolvers<void>()
  const fail = (reason: unknown): void => {
    const error = reason instanceof Error ? reason : new Error(String(reason))
    channel.abort(error)
    idle.reject(error)
  }
  const giveUp = (): void => fail(signal.reason)
  signal.addEventListener('abort', giveUp)
  idle.promise.catch(() => undefined).then(() => signal.removeEventListener('abort', giveUp))
  try {
    signal.throwIfAborted()
    const sent = channel.writeMessage(encodeHead({ to, method, uri, headers }), body)
    // A response may come before the request is through, when it is refused; the reads below then speak.
    sent.catch(() => undefined)
    const head = decodeResponseHead((await expectHead(channel)).payload)
    const received = await readBody(channel, { end: () => sent.then(idle.resolve, fail), fail })
    return { response: 'unreachable' in head ? new Unreachable(head.unreachable) : { ...head, body: received }, idle: idle.promise }
  } catch (error) {
    fail(error)
    throw error
  }
}

async function expectHead(channel: FrameChannel): Promise<{ payload: Bytes }> {
  const frame = await channel.read()
  if (frame === undefined) throw new ProtocolError('The stream ended before the answer')
  if (frame.kind !== 'head') throw new ProtocolError(`A ${frame.kind} came where a head was due`)
  return frame
}

/** The next piece of a body; `undefined` at its end. */
async function nextPiece(channel: FrameChannel): Promise<Bytes | undefined> {
  const frame = await channel.read()
  if (frame === undefined) throw new ProtocolError('The stream ended within a body')
  if (frame.kind === 'head') throw new ProtocolError('A head came within a body')
  return frame.kind === 'end' ? undefined : frame.payload
}

/** Told how the reading of a body ends. */
interface BodyListener {
  end(): void
  fail(reason: unknown): void
}

async function readBody(channel: FrameChannel, listener: BodyListener): Promise<WireResponse['body']> {
  const pieces: Bytes[] = []
  let length = 0
  while (length <= wholeBodyBytes) {
    const piece = await nextPiece(channel)
    if (piece === undefined) {
      listener.end()
      return joinBytes(pieces)
    }
    pieces.push(piece)
    length += piece.byteLength
  }
  return new ReadableStream<Bytes>({
    pull: async (controller) => {
      try {
        const piece = pieces.shift() ?? (await nextPiece(channel))
        if (piece !== undefined) return controller.enqueue(piece)
        listener.end()
        controller.close()
      } catch (error) {
        listener.fail(error)
        controller.error(error)
      }
    },
    cancel: () => listener.fail(new Error('The body is not wanted')),
  })
}

/** Answers the requests of one stream. */
export interface ExchangeServer {
  /** `signal` aborts when whoever asked has gone. Rejects with {@link Unreachable} to say that there is no response. */
  handle(to: ServerName, request: WireRequest, signal: AbortSignal): Promise<WireResponse>
  /** Bytes of request body that are accepted; more is answered `413 M_TOO_LARGE`. */
  readonly maxBodyBytes: number
  /** What bodies may take together with those of other streams; beyond it requests are answered `429 M_LIMIT_EXCEEDED`. */
  readonly budget?: ByteBudget
}

/** Answers one request after the other until the stream ends. Never rejects: a stream that breaks is over. */
export async function serveExchanges(channel: FrameChannel, server: ExchangeServer): Promise<void> {
  let current = new AbortController()
  channel.closed.then(() => current.abort(new Error('The other side has gone')))
  try {
    for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
      if (frame.kind !== 'head') throw new ProtocolError(`A ${frame.kind} came where a head was due`)
      const { to, ...head } = decodeRequestHead(frame.payload)
      const gathered = new Gathering(server)
      try {
        const refused = await gathered.from(channel)
        if (refused !== undefined) return await refuseBody(channel, refused)
        const { body } = gathered
        current = new AbortController()
        if (!channel.isOpen) return
        await answer(channel, () => server.handle(to, body === undefined ? head : { ...head, body }, current.signal))
      } finally {
        gathered.release()
      }
    }
    channel.close()
  } catch (error) {
    channel.abort(error instanceof Error ? error : new Error(String(error)))
  }
}

/** A body as it comes in, within its own bound and the common one. */
class Gathering {
  readonly #server: ExchangeServer
  readonly #pieces: Bytes[] = []
  #length = 0

  constructor(server: ExchangeServer) {
    this.#server = server
  }

  /** Reads to the end of the body, or says why it is not read. */
  async from(channel: FrameChannel): Promise<MatrixError | undefined> {
    const { maxBodyBytes, budget } = this.#server
    for (let piece = await nextPiece(channel); piece !== undefined; piece = await nextPiece(channel)) {
      if (this.#length + piece.byteLength > maxBodyBytes) return tooLarge('The request body is too large')
      if (budget?.take(piece.byteLength) === false) return limitExceeded(1000)
      this.#length += piece.byteLength
      this.#pieces.push(piece)
    }
    return undefined
  }

  get body(): Bytes | undefined {
    return this.#pieces.length === 0 ? undefined : joinBytes(this.#pieces)
  }

  release(): void {
    this.#server.budget?.give(this.#length)
  }
}

async function answer(channel: FrameChannel, handle: () => Promise<WireResponse>): Promise<void> {
  let response: WireResponse
  try {
    response = await handle()
  } catch (error) {
    const unreachable = error instanceof Unreachable ? error.message.slice(0, 1000) : 'The request failed'
    return channel.writeMessage(encodeHead({ unreachable }))
  }
  const { status, headers, body } = response
  const head = encodeHead({ status, headers })
  if (body instanceof Uint8Array) return channel.writeMessage(head, body)
  await channel.write('head', head)
  await sendStream(channel, body)
  await channel.write('end')
}

async function sendStream(channel: FrameChannel, body: ReadableStream<Bytes>): Promise<void> {
  const reader = body.getReader()
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) await channel.writeBody(part.value)
  } catch (error) {
    await reader.cancel(error).catch(() => undefined)
    throw error
  }
}

/** The rest of the body is not read, so the stream ends with this answer. */
async function refuseBody(channel: FrameChannel, error: MatrixError): Promise<void> {
  await answer(channel, async () => wireError(error))
  channel.close()
}
