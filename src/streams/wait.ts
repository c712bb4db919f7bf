import type { Clock } from '../ports/clock.ts'
import type { Position, Stream } from './stream.ts'

/**
 * Waits until the stream has passed `since`, the clock has passed `timeoutMs`, or `signal` aborts.
 * Returns the newest durable position either way.
 */
export async function waitPast(
  stream: Stream,
  since: Position,
  wait: { clock: Clock; timeoutMs: number; signal?: AbortSignal },
): Promise<Position> {
  if (stream.current > since || wait.timeoutMs <= 0) return stream.current
  const over = new AbortController()
  const stop = stream.onAdvance(() => over.abort())
  const abort = () => over.abort()
  wait.signal?.addEventListener('abort', abort, { once: true })
  await wait.clock.sleep(wait.timeoutMs, over.signal)
  wait.signal?.removeEventListener('abort', abort)
  stop()
  return stream.current
}
