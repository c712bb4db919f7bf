import { accounts, administration, devices } from './accounts.ts'
import { discovery } from './discovery.ts'
import { dehydratedDevices, keyBackup, keys } from './keys.ts'
import { media } from './media.ts'
import { delayedEvents, history, oldSync, sending, slidingSync, threadSubscriptions } from './messages.ts'
import { oauth } from './oauth.ts'
import { push } from './push.ts'
import { rendezvous } from './rendezvous.ts'
import { directory, membership } from './rooms.ts'
import type { Rows } from './row.ts'
import { userData } from './user-data.ts'

/** The row of each route of the Client-Server API. */
export const clientRows: Rows = {
  ...accounts,
  ...administration,
  ...devices,
  ...discovery,
  ...keys,
  ...dehydratedDevices,
  ...keyBackup,
  ...media,
  ...history,
  ...oldSync,
  ...sending,
  ...slidingSync,
  ...threadSubscriptions,
  ...delayedEvents,
  ...oauth,
  ...push,
  ...rendezvous,
  ...directory,
  ...membership,
  ...userData,
}
