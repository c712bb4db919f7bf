import { Avatar, Badge } from '@vector-im/compound-web'
import type { RoomMember } from 'matrix-js-sdk'
import { type RouteKind, routeMeanings, routeNames, type ServerRoute } from '../homeserver/routes.ts'
import { shortServer } from '../interface/short-name.ts'

interface ServerGroupProps {
  readonly server: string
  readonly members: readonly RoomMember[]
  readonly route: ServerRoute
}

const badges: Readonly<Record<RouteKind, 'grey' | 'green' | 'blue'>> = {
  own: 'grey',
  direct: 'green',
  relayed: 'blue',
  https: 'blue',
  asleep: 'grey',
}

/** One homeserver of the room: how it is reached, what waits for it, and who is on it. */
export function ServerGroup({ server, members, route }: ServerGroupProps) {
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
          <li key={member.userId} className="member">
            <Avatar id={member.userId} name={member.name} size="28px" aria-hidden />
            <span className="member-names">
              <span>{member.name}</span>
              <span className="member-id" title={member.userId}>
                {member.membership === 'invite' ? 'invited' : member.userId.slice(0, member.userId.indexOf(':'))}
              </span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
