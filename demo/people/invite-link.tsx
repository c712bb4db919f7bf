import CheckIcon from '@vector-im/compound-design-tokens/assets/web/icons/check'
import LinkIcon from '@vector-im/compound-design-tokens/assets/web/icons/link'
import { Button } from '@vector-im/compound-web'
import { JoinRule, type Room } from 'matrix-js-sdk'
import type { HostStatus } from '../homeserver/control.ts'
import { useHomeserver } from '../homeserver/homeserver-context.ts'
import { useCopy } from '../interface/use-copy.ts'
import { joinHash } from '../rooms/join-link.ts'
import { membersByServer } from './members-by-server.ts'

const mostServers = 3

/** The link that brings others here: it says which room, through whom, and over which relay. */
export function InviteLink({ room }: { room: Room }) {
  const { status } = useHomeserver()
  const [isCopied, copy] = useCopy()
  const link = linkTo(room, status)
  const isOpen = room.getJoinRule() === JoinRule.Public
  return (
    <section className="invite" aria-label="Invite link">
      <label>
        <span className="visually-hidden">Invite link</span>
        <input className="link-field" readOnly value={link} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <Button kind="secondary" size="md" Icon={isCopied ? CheckIcon : LinkIcon} onClick={() => copy(link)}>
        {isCopied ? 'Copied' : 'Copy invite link'}
      </Button>
      <p className="hint">{isOpen ? 'Everyone who has it can join.' : 'Who opens it asks to join, and you let them in.'}</p>
    </section>
  )
}

function linkTo(room: Room, status: HostStatus): string {
  const servers = membersByServer(room, status.server_name ?? '')
    .filter(([, members]) => members.some(({ membership }) => membership === 'join'))
    .map(([server]) => server)
  const relay = status.connections?.relays[0]?.address
  const hash = joinHash({ room: room.roomId, via: servers.slice(0, mostServers), ...(relay === undefined ? {} : { relay }) })
  return `${location.origin}/${hash}`
}
