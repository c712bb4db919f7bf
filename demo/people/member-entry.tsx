import VerifiedIcon from '@vector-im/compound-design-tokens/assets/web/icons/verified'
import { Avatar } from '@vector-im/compound-web'
import type { RoomMember } from 'matrix-js-sdk'
import { useTrust } from '../verification/trust.ts'

interface MemberEntryProps {
  readonly member: RoomMember
  readonly open: () => void
}

/** Someone in the room, in a line: a way to more about them. */
export function MemberEntry({ member, open }: MemberEntryProps) {
  const isVerified = useTrust(member.userId)?.isVerified ?? false
  return (
    <li>
      <button
        type="button"
        className="member member-button"
        aria-label={`About ${member.name}${isVerified ? ', verified' : ''}`}
        onClick={open}
      >
        <Avatar id={member.userId} name={member.name} size="28px" aria-hidden />
        <span className="member-names">
          <span>{member.name}</span>
          <span className="member-id" title={member.userId}>
            {member.membership === 'invite' ? 'invited' : member.userId.slice(0, member.userId.indexOf(':'))}
          </span>
        </span>
        {isVerified && <VerifiedIcon className="member-verified" aria-hidden width={16} height={16} />}
      </button>
    </li>
  )
}
