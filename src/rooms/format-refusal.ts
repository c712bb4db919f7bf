import { badJson, type MatrixError, tooLarge } from '../spec/errors.ts'
import type { FormatFault } from '../spec/event-format.ts'

/**
 * What a client is told whose event breaks the event format: `M_TOO_LARGE` beyond a limit of size, else `M_BAD_JSON` (room
 * versions, "Canonical JSON").
 */
export function formatRefusal({ error, isTooLarge }: FormatFault): MatrixError {
  const message = `The event breaks the event format: ${error}`
  return isTooLarge ? tooLarge(message) : badJson(message)
}
