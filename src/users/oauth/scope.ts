const api = 'urn:matrix:client:api:*'
const device = 'urn:matrix:client:device:'
/** RFC 6749, section 3.3. */
const deviceIdPattern = /^[!#-[\]-~]{1,255}$/

/** What a client asks for, of what there is to be given. */
export interface Scope {
  readonly deviceId: string
  /** The scope as it is granted: what is not known of it is left out. */
  readonly granted: string
}

/** Reads a scope (Client-Server API, "Scope"); `undefined` unless it asks for the whole API and names exactly one device. */
export function parseScope(scope: string): Scope | undefined {
  const tokens = scope.split(' ')
  const [deviceId, ...others] = tokens.flatMap((token) => (token.startsWith(device) ? [token.slice(device.length)] : []))
  if (!tokens.includes(api) || deviceId === undefined || others.length > 0 || !deviceIdPattern.test(deviceId)) return undefined
  return { deviceId, granted: `${api} ${device}${deviceId}` }
}
