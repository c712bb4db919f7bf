import { type AuthCase, allow, allowIf, membershipIn, reject, type Verdict } from './auth-verdict.ts'
import type { RoomEvent, UserId } from './event.ts'
import { isObject, type JsonValue } from './json.ts'
import { creatorsOf } from './power-levels.ts'
import type { RoomVersionRules } from './room-version.ts'

/** A membership event under judgement. */
interface MemberCase extends AuthCase {
  readonly target: UserId
  readonly targetMembership: string
  readonly senderMembership: string
}

/** The rules for `m.room.member`: rule 5, by the numbers of room version 12, as in all comments here (rule 4 in versions 6 to 11). */
export function checkMember(judged: AuthCase): Verdict {
  const { event, rules, state, signatures } = judged
  const target = event.stateKey
  if (target === undefined) return reject('a membership event needs a state_key')
  if (!Object.hasOwn(event.content, 'membership')) return reject('a membership event needs a membership')
  const namesAuthoriser = rules.auth.restricted && Object.hasOwn(event.content, 'join_authorised_via_users_server')
  if (namesAuthoriser && !signatures.authoriserSigned) return reject('the server of the authorising user has not signed')
  return checkMembership({
    ...judged,
    target,
    targetMembership: membershipIn(state, target),
    senderMembership: membershipIn(state, event.sender),
  })
}

function checkMembership(judged: MemberCase): Verdict {
  switch (judged.event.content.membership) {
    case 'join':
      return checkJoin(judged)
    case 'invite':
      return Object.hasOwn(judged.event.content, 'third_party_invite') ? checkThirdPartyInvite(judged) : checkInvite(judged)
    case 'leave':
      return judged.event.sender === judged.target ? checkLeave(judged) : checkKick(judged)
    case 'ban':
      return checkBan(judged)
    case 'knock':
      return judged.rules.auth.knock ? checkKnock(judged) : reject('this room version knows no knocking')
    default:
      return reject('the membership is unknown')
  }
}

/** Rule 5.3: `join`. */
function checkJoin(judged: MemberCase): Verdict {
  const { event, create, rules, target, targetMembership } = judged
  const isFirst = event.prevEvents.length === 1 && event.prevEvents[0] === create.eventId
  if (isFirst && creatorsOf(rules, create)[0] === target) return allow
  if (event.sender !== target) return reject('nobody joins for another')
  if (targetMembership === 'ban') return reject('the sender is banned')
  const joinRule = joinRuleOf(judged)
  if (joinRule === 'public') return allow
  const isAdmitted = targetMembership === 'join' || targetMembership === 'invite'
  if (isRestricted(rules, joinRule)) return allowIf(isAdmitted || canAuthorise(judged), 'nobody who may invite has let the sender in')
  const needsInvite = joinRule === 'invite' || (rules.auth.knock && joinRule === 'knock')
  return allowIf(needsInvite && isAdmitted, 'the sender is not invited')
}

/** The join rule in force; without an `m.room.join_rules` event a room is invite-only. */
function joinRuleOf({ state }: AuthCase): JsonValue | undefined {
  const event = state('m.room.join_rules', '')
  return event === undefined ? 'invite' : event.content.join_rule
}

function isRestricted({ auth }: RoomVersionRules, joinRule: JsonValue | undefined): boolean {
  return (auth.restricted && joinRule === 'restricted') || (auth.knockRestricted && joinRule === 'knock_restricted')
}

/** Rule 5.3.5.2: a joined user who may invite has authorised a restricted join. */
function canAuthorise({ event, levels, state }: MemberCase): boolean {
  const authoriser = event.content.join_authorised_via_users_server
  return typeof authoriser === 'string' && membershipIn(state, authoriser) === 'join' && levels.user(authoriser) >= levels.invite
}

/** Rule 5.4.2 to 5.4.5: `invite`. */
function checkInvite({ event, levels, senderMembership, targetMembership }: MemberCase): Verdict {
  if (senderMembership !== 'join') return reject('the sender is not in the room')
  if (targetMembership === 'join' || targetMembership === 'ban') return reject(`the invited user is in the room or banned`)
  return allowIf(levels.user(event.sender) >= levels.invite, 'the sender may not invite')
}

/** Rule 5.4.1: `invite` with a `third_party_invite`. */
function checkThirdPartyInvite({ event, state, signatures, target, targetMembership }: MemberCase): Verdict {
  if (targetMembership === 'ban') return reject('the invited user is banned')
  const invite = event.content.third_party_invite
  const signed = isObject(invite) ? invite.signed : undefined
  if (!isObject(signed)) return reject('the third-party invite has no signed part')
  const { mxid, token } = signed
  if (typeof mxid !== 'string' || typeof token !== 'string') return reject('the third-party invite has no mxid or token')
  if (mxid !== target) return reject('the third-party invite is for another user')
  const offer = state('m.room.third_party_invite', token)
  if (offer === undefined) return reject('the room has no such third-party invite')
  if (offer.sender !== event.sender) return reject('another user made the third-party invite')
  return allowIf(signatures.thirdPartySigned(signed, publicKeysOf(offer)), 'the third-party invite is not signed')
}

/** Rule 5.4.1.7: the keys by which a third-party invite may be signed: `public_key`, and `public_key` of each of `public_keys`. */
function publicKeysOf({ content }: RoomEvent): string[] {
  const listed = Array.isArray(content.public_keys) ? content.public_keys : []
  const keys = [content.public_key, ...listed.map((entry) => (isObject(entry) ? entry.public_key : undefined))]
  return keys.filter((key) => typeof key === 'string')
}

/** Rule 5.5.1: `leave` by the user. */
function checkLeave({ rules, targetMembership }: MemberCase): Verdict {
  const mayLeave = targetMembership === 'join' || targetMembership === 'invite' || (rules.auth.knock && targetMembership === 'knock')
  return allowIf(mayLeave, 'the sender is not in the room')
}

/** Rule 5.5.2 to 5.5.5: `leave` by another: a kick, an unban, a withdrawn invite or a refused knock. */
function checkKick({ event, levels, target, targetMembership, senderMembership }: MemberCase): Verdict {
  if (senderMembership !== 'join') return reject('the sender is not in the room')
  const own = levels.user(event.sender)
  if (targetMembership === 'ban' && own < levels.ban) return reject('the sender may not lift a ban')
  return allowIf(own >= levels.kick && levels.user(target) < own, 'the sender may not kick this user')
}

/** Rule 5.6: `ban`. */
function checkBan({ event, levels, target, senderMembership }: MemberCase): Verdict {
  if (senderMembership !== 'join') return reject('the sender is not in the room')
  const own = levels.user(event.sender)
  return allowIf(own >= levels.ban && levels.user(target) < own, 'the sender may not ban this user')
}

/** Rule 5.7, from version 7 on: `knock`. */
function checkKnock(judged: MemberCase): Verdict {
  const joinRule = joinRuleOf(judged)
  const isOpen = joinRule === 'knock' || (judged.rules.auth.knockRestricted && joinRule === 'knock_restricted')
  if (!isOpen) return reject('the room does not take knocks')
  if (judged.event.sender !== judged.target) return reject('nobody knocks for another')
  return allowIf(!['ban', 'invite', 'join'].includes(judged.senderMembership), 'the sender is banned, invited or in the room')
}
