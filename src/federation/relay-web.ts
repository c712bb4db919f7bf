import { parseJson, readBytes } from '../http/json-body.ts'
import { decodeJson, encodeJson, relayName } from '../http/relay-protocol.ts'
import { pagePreviewSchema, relayWeb } from '../http/relay-web.ts'
import type { FederationTransport, WireResponse } from '../ports/federation-transport.ts'
import type { Web } from '../ports/web.ts'
import { forbidden, type MatrixError, unknownError } from '../spec/errors.ts'
import type { JsonValue } from '../spec/json.ts'

/** Bytes that an answer by way of the relay may have. */
const maxAnswerBytes = 1 << 20
/** Bytes that the picture of a page preview may have. */
const maxImageBytes = 10 << 20

/** The web, asked through the relay. */
export class RelayWeb implements Web {
  readonly #transport: FederationTransport

  constructor(deps: { readonly transport: FederationTransport }) {
    this.#transport = deps.transport
  }

  async notify(...[url, body, signal]: Parameters<Web['notify']>): ReturnType<Web['notify']> {
    const response = await this.#ask(relayWeb.push, { url, body }, signal)
    const bytes = await bytesOf(response, maxAnswerBytes)
    return { status: response.status, body: jsonOf(bytes) }
  }

  async preview(...[url, language, signal]: Parameters<Web['preview']>): ReturnType<Web['preview']> {
    const response = await this.#reach(relayWeb.preview, { url, ...(language === undefined ? {} : { language }) }, signal)
    const preview = decodeJson(pagePreviewSchema, await bytesOf(response, maxAnswerBytes))
    if (!preview) throw unknownError('The relay answered with nonsense', 502)
    return preview
  }

  async image(...[url, signal]: Parameters<Web['image']>): ReturnType<Web['image']> {
    const response = await this.#reach(relayWeb.image, { url }, signal)
    return { contentType: response.headers['content-type'] ?? '', bytes: await bytesOf(response, maxImageBytes) }
  }

  /** Like {@link #ask}; whatever is no success is thrown. */
  async #reach(uri: string, body: object, signal: AbortSignal): Promise<WireResponse> {
    const response = await this.#ask(uri, body, signal).catch(() => Promise.reject(unknownError('No relay is connected', 502)))
    if (response.status !== 200) throw refusalOf(response.status)
    return response
  }

  #ask(uri: string, body: object, signal: AbortSignal): Promise<WireResponse> {
    const headers = { 'content-type': 'application/json' }
    return this.#transport.request(relayName, { method: 'POST', uri, headers, body: encodeJson(body) }, signal)
  }
}

function refusalOf(status: number): MatrixError {
  if (status === 403) return forbidden('This address is not fetched')
  return unknownError('The address cannot be fetched', 502)
}

async function bytesOf({ body }: WireResponse, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  return body instanceof Uint8Array ? body : readBytes(body, limit)
}

function jsonOf(bytes: Uint8Array): JsonValue | undefined {
  try {
    return parseJson(bytes)
  } catch {
    return undefined
  }
}
