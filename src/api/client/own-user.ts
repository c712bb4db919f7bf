import type { Session } from '../../http/endpoint.ts'
import { forbidden } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'

/** The `userId` of a path, which must be that of who asks. Throws `M_FORBIDDEN`. */
export function ownUser(session: Session, params: Readonly<Record<string, string>>): UserId {
  if (params.userId !== session.userId) throw forbidden('This belongs to another user')
  return session.userId
}
