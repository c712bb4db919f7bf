import type { UserId } from '../../spec/event.ts'
import type { SingleUseSecrets } from '../single-use.ts'

const allowedMs = 10 * 60_000
const purpose = 'cross-signing reset'

/** Users who agreed, on the account page, that their cross-signing keys are replaced (Client-Server API, "OAuth authentication"). */
export class CrossSigningResets {
  readonly #singleUse: SingleUseSecrets

  constructor(deps: { singleUse: SingleUseSecrets }) {
    this.#singleUse = deps.singleUse
  }

  /** Lets keys be replaced once, within ten minutes. */
  async allow(userId: UserId): Promise<void> {
    await this.#singleUse.issue(purpose, {}, { lifetimeMs: allowedMs, secret: userId })
  }

  /** Whether the user agreed; that is then used up. */
  async take(userId: UserId): Promise<boolean> {
    return (await this.#singleUse.take(purpose, userId)) !== undefined
  }
}
