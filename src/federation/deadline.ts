import type { Clock } from '../ports/clock.ts'

/** Thrown by {@link withDeadline} once the time is over. */
export class DeadlineExceeded extends Error {
  override name = 'DeadlineExceeded'
}

/**
 * Runs `run` for at most `timeoutMs`; then its signal aborts and the result is a `DeadlineExceeded`, whatever `run` does. Its
 * signal also aborts with `signal`.
 */
export async function withDeadline<T>(
  bound: { readonly clock: Clock; readonly timeoutMs: number; readonly signal?: AbortSignal },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const done = new AbortController()
  const late = bound.clock.sleep(bound.timeoutMs, done.signal).then(() => {
    if (!done.signal.aborted) over.abort()
    throw new DeadlineExceeded(`no answer within ${bound.timeoutMs} ms`)
  })
  const signal = bound.signal ? AbortSignal.any([over.signal, bound.signal]) : over.signal
  try {
    return await Promise.race([run(signal), late])
  } finally {
    done.abort()
  }
}
