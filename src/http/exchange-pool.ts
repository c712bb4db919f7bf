import type { WireResponse } from '../ports/federation-transport.ts'
import { type ByteStream, FrameChannel } from './frame-channel.ts'
import { type Exchange, exchange, type Outcome, Unreachable } from './wire-exchange.ts'

export interface ExchangePool {
  /** Sends a request on a stream that is free, or on a new one. Rejects with {@link Unreachable}, or when the stream breaks. */
  request(exchange: Exchange): Promise<WireResponse>
  /** Closes the streams that are idle, and those in use once they are. */
  close(): void
}

/** Streams kept open for the next request: opening one costs a round trip or more. */
const maxIdle = 4
/** Requests under way at once; more wait. */
const maxBusy = 32

/** Sends requests over streams to one peer, each stream carrying one exchange at a time. `open` makes one more stream. */
export function createExchangePool(open: (signal: AbortSignal) => Promise<ByteStream>): ExchangePool {
  const idle: FrameChannel[] = []
  const waiting = new Set<() => void>()
  let busy = 0
  let closed = false

  const turn = async (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted()
    if (busy < maxBusy) {
      busy++
      return
    }
    await new Promise<void>((resolve, reject) => {
      waiting.add(resolve)
      const giveUp = (): void => {
        if (waiting.delete(resolve)) reject(signal.reason)
      }
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Hands the turn to whoever waits longest. */
  const done = (): void => {
    const [next] = waiting
    if (next === undefined) {
      busy--
      return
    }
    waiting.delete(next)
    next()
  }

  const free = async (signal: AbortSignal): Promise<FrameChannel> => {
    for (let channel = idle.pop(); channel !== undefined; channel = idle.pop()) if (channel.isOpen) return channel
    return new FrameChannel(await open(signal))
  }

  const keep = (channel: FrameChannel): void => {
    if (!channel.isOpen) return
    if (closed || idle.length >= Math.max(maxIdle, busy)) channel.close()
    else idle.push(channel)
  }

  const start = async (wanted: Exchange): Promise<Outcome['response']> => {
    const channel = await free(wanted.signal)
    const { response, idle: whenIdle } = await exchange(channel, wanted)
    const settled = whenIdle
      .then(() => keep(channel))
      .catch(() => undefined)
      .then(done)
    // With the whole answer here the stream is free, or about to be: the next request finds it.
    if (response instanceof Unreachable || response.body instanceof Uint8Array) await settled
    return response
  }

  return {
    request: async (wanted) => {
      await turn(wanted.signal)
      const response = await start(wanted).catch((error: unknown) => {
        done()
        throw error
      })
      if (response instanceof Unreachable) throw response
      return response
    },
    close: () => {
      closed = true
      for (const channel of idle.splice(0)) channel.close()
    },
  }
}
