import type { Clock } from '../src/ports/clock.ts'
import type { Logger } from '../src/ports/logger.ts'
import type { Random } from '../src/ports/random.ts'

const longestTimerMs = 2 ** 31 - 1
const randomBytesAtOnce = 65_536

/** The browser's clock. */
export const browserClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const over = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', over)
        resolve()
      }
      const timer = setTimeout(over, Math.min(Math.max(ms, 0), longestTimerMs))
      signal?.addEventListener('abort', over, { once: true })
    }),
}

/** The browser's cryptographically secure randomness. */
export const browserRandom: Random = {
  bytes: (length) => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += randomBytesAtOnce) crypto.getRandomValues(bytes.subarray(at, at + randomBytesAtOnce))
    return bytes
  },
}

/** Warnings and errors to the browser's console. */
export const consoleLogger: Logger = {
  log: (level, message, fields = {}) => {
    if (level === 'error') console.error(message, fields)
    else if (level === 'warn') console.warn(message, fields)
  },
}
