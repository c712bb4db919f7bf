import { MatrixError, notFound, unknownError } from '../spec/errors.ts'
import type { ServerName } from '../spec/event.ts'

/**
 * The outcome of `attempt` with the first of the servers where it comes off. Throws the last server's error, or `M_NOT_FOUND` where
 * there is no server to ask.
 */
export async function throughAny<T>(servers: readonly ServerName[], attempt: (server: ServerName) => Promise<T>): Promise<T> {
  let failure: unknown = notFound('No server is known that is in this room')
  for (const server of servers) {
    try {
      return await attempt(server)
    } catch (error) {
      failure = error
    }
  }
  throw failure instanceof MatrixError ? failure : unknownError(`No server of the room could be reached: ${String(failure)}`, 502)
}
