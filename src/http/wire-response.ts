import type { WireResponse } from '../ports/federation-transport.ts'
import type { MatrixError } from '../spec/errors.ts'
import type { JsonValue } from '../spec/json.ts'

/** A JSON response as it goes over any transport. */
export function wireJson(value: JsonValue, status = 200): WireResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode(JSON.stringify(value)) }
}

/** The response that an error is. */
export function wireError(error: MatrixError): WireResponse {
  return wireJson(error.body(), error.status)
}
