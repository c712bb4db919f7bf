import { Badge } from '@vector-im/compound-web'
import type { RoomMember } from 'matrix-js-sdk'
import { type RouteKind, routeMeanings, routeNames, type ServerRoute } from '../homeserver/routes.ts'
import { shortServer } from '../interface/short-name.ts'
import { MemberEntry } from './member-entry.tsx'

interface ServerGroupProps {
  readonly server: string
  readonly members: readonly RoomMember[]
  readonly route: ServerRoute
  readonly open: (member: RoomMember) => void
}

const badges: Readonly<Record<RouteKind, 'grey' | 'green' | 'blue'>> = {
  own: 'grey',
  direct: 'green',
  relayed: 'blue',
  https: 'blue',
  asleep: 'grey',
}

/** One homeserver of the room: how it is reached, what waits for it, and who is on it. */
export function ServerGroup({ server, members, route, open }: ServerGroupProps) {
  const name = shortServer(server)
  return (
    <section className="server-group" aria-label={`Homeserver ${name}`}>
      <h4 title={server}>{name}</h4>
      <p className="server-route" title={routeMeanings[route.kind]}>
        <Badge kind={badges[route.kind]}>{routeNames[route.kind]}</Badge>
        {route.queued > 0 && <span className="server-queued">{`${route.queued} queued`}</span>}
      </p>
      <ul>
        {members.map((member) => (
          <MemberEntry key={member.userId} member={member} open={() => open(member)} />
        ))}
      </ul>
    </section>
  )
}
