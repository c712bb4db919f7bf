import type { Clock } from '../ports/clock.ts'

/** Thrown by {@link withDeadline} once the time is over. */
class DeadlineExceeded extends Error {
  override name = 'DeadlineExceeded'
}

/**
 * Runs `run` for at most `timeoutMs`; then, or when `signal` aborts, its own signal aborts and the result is a
 * `DeadlineExceeded`, whatever `run` does.
 */
export async function withDeadline<T>(
  bound: { readonly clock: Clock; readonly timeoutMs: number; readonly signal?: AbortSignal },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const done = new AbortController()
  const timer = bound.signal ? AbortSignal.any([done.signal, bound.signal]) : done.signal
  const late = bound.clock.sleep(bound.timeoutMs, timer).then(() => {
    if (!done.signal.aborted) over.abort()
    throw new DeadlineExceeded(bound.signal?.aborted ? 'given up' : `no answer within ${bound.timeoutMs} ms`)
  })
  try {
    return await Promise.race([run(over.signal), late])
  } finally {
    done.abort()
  }
}
