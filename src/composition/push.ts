import { HttpPushers } from '../sync/http-pushers.ts'
import { PushNotifications } from '../sync/push-notifications.ts'
import { RoomViews } from '../sync/room-views.ts'
import type { Parts } from './parts.ts'

/** Pushing to gateways. */
export function composePush(parts: Parts): HttpPushers {
  const { rooms, users, remotes } = parts
  const shared = { ...parts, store: rooms.store, members: rooms.memberLists }
  const views = new RoomViews({ ...shared, accountData: users.accountData })
  const notifications = new PushNotifications({ ...shared, views, sources: users })
  return new HttpPushers({ ...shared, pushers: users.pushers, receipts: users.receipts, notifications, web: remotes.web })
}
