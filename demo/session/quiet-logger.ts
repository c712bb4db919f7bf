import type { Logger } from 'matrix-js-sdk/lib/logger.js'

/** Passes on what the SDK warns of, and not that it makes each request. */
export const quietLogger: Logger = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: (...message: unknown[]) => console.warn(...message),
  error: (...message: unknown[]) => console.error(...message),
  getChild: () => quietLogger,
}
