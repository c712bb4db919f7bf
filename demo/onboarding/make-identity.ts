import type { RelayOfPages } from '../../worker/relay-of-pages.ts'
import { addRelays, ControlError, createIdentity } from '../homeserver/control.ts'
import { joinLinkOf } from '../rooms/join-link.ts'
import { unsavedRecoveryKey } from '../session/stored-session.ts'

/**
 * Makes this browser's homeserver; its recovery key is kept until the user says that it is written down.
 *
 * @param relay whose pages these are
 * @param relayDomain below it the homeserver gets its name; without it, its name is its key alone
 */
export async function makeIdentity(relay: RelayOfPages | undefined, relayDomain: string | undefined): Promise<void> {
  const invited = joinLinkOf(location.hash)?.relay
  const own = relay && { address: relay.address, ...(relay.token === undefined ? {} : { token: relay.token }) }
  await addRelays(own ? [own] : invited === undefined ? [] : [{ address: invited }])
  try {
    const { recoveryKey } = await createIdentity(relayDomain === undefined ? {} : { relayDomain })
    unsavedRecoveryKey.set(recoveryKey)
  } catch (error) {
    if (error instanceof ControlError && error.status === 403) throw new Error('A homeserver was made here meanwhile: reload the page')
    throw error
  }
}
