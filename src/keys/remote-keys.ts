import type { ServerName, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'

/**
 * Keys of users of other servers (Server-Server API, "End-to-End Encryption"). Each call resolves with the server's whole
 * answer, unchecked but of bounded size, or rejects when it cannot be had.
 */
export interface RemoteKeys {
  query(server: ServerName, deviceKeys: Readonly<Record<UserId, readonly string[]>>, signal: AbortSignal): Promise<JsonObject>
  claim(
    server: ServerName,
    oneTimeKeys: Readonly<Record<UserId, Readonly<Record<string, string>>>>,
    signal: AbortSignal,
  ): Promise<JsonObject>
}
