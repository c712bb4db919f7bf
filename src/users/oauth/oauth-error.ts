import { MatrixError } from '../../spec/errors.ts'
import type { JsonObject } from '../../spec/json.ts'

/** An error as OAuth 2.0 writes it (RFC 6749, section 5.2). `message` is shown to developers. */
export class OAuthError extends MatrixError {
  constructor(code: string, message: string, status = 400) {
    super(status, code, { message })
    this.name = 'OAuthError'
  }

  override body(): JsonObject {
    return { error: this.errcode, error_description: this.message }
  }
}
