import type { Clock } from '../ports/clock.ts'
import type { Signer } from '../ports/signer.ts'
import { encodeBase64 } from '../spec/base64.ts'
import type { JsonObject } from '../spec/json.ts'
import { signJson } from './sign.ts'

const validityMs = 24 * 3600 * 1000

/** The keys that this homeserver publishes. */
export class OwnKeys {
  readonly #deps: { readonly signer: Signer; readonly clock: Clock }
  #current: { readonly document: Promise<JsonObject>; readonly renewAt: number } | undefined

  constructor(deps: { readonly signer: Signer; readonly clock: Clock }) {
    this.#deps = deps
  }

  /** Our server-key document, signed (Server-Server API, "Publishing Keys"); made anew when half of its validity is over. */
  document(): Promise<JsonObject> {
    const { signer, clock } = this.#deps
    const now = clock.now()
    if (this.#current === undefined || now >= this.#current.renewAt || now < this.#current.renewAt - validityMs / 2) {
      const document = signJson(
        {
          // In canonical order: some check the signature on what was sent, as it was sent.
          old_verify_keys: {},
          server_name: signer.serverName,
          valid_until_ts: now + validityMs,
          verify_keys: { [signer.keyId]: { key: encodeBase64(signer.publicKey) } },
        },
        signer,
      )
      this.#current = { document, renewAt: now + validityMs / 2 }
    }
    return this.#current.document
  }
}
