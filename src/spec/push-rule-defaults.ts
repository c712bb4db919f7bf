import type { UserId } from './event.ts'
import type { JsonObject, JsonValue } from './json.ts'
import type { PushRule, PushRuleset } from './push-rules.ts'

const notify = 'notify'
const highlight: JsonObject = { set_tweak: 'highlight' }
const sound = (value: string): JsonObject => ({ set_tweak: 'sound', value })
const matches = (key: string, pattern: string): JsonObject => ({ kind: 'event_match', key, pattern })
const hasTwoMembers: JsonObject = { kind: 'room_member_count', is: '2' }

/** Silences the threads that a user does not subscribe to: on from their first subscription, see `users/thread-subscriptions.ts`. */
export const unsubscribedThreadRuleId = '.io.element.msc4306.rule.unsubscribed_thread'
const disabled: readonly string[] = ['.m.rule.master', unsubscribedThreadRuleId]

function rule(ruleId: string, conditions: JsonObject[], actions: JsonValue[]): PushRule {
  return { rule_id: ruleId, default: true, enabled: !disabled.includes(ruleId), conditions, actions }
}

/**
 * The rules that every user has (Client-Server API, "Predefined Rules"), each kind in its order. A user's own rules go before
 * them in their kind, except that nothing goes before `.m.rule.master`.
 */
export function defaultPushRules(userId: UserId): PushRuleset {
  return {
    override: overrideRules(userId),
    content: [],
    postcontent: threadRules(),
    room: [],
    sender: [],
    underride: underrideRules(),
  }
}

/** Of MSC4306, as Synapse's `rust/src/push/base_rules.rs` has them. */
function threadRules(): PushRule[] {
  const isSubscribed = (subscribed: boolean): JsonObject => ({ kind: 'io.element.msc4306.thread_subscription', subscribed })
  return [
    rule(unsubscribedThreadRuleId, [isSubscribed(false)], []),
    rule('.io.element.msc4306.rule.subscribed_thread', [isSubscribed(true)], [notify, sound('default')]),
  ]
}

function overrideRules(userId: UserId): PushRule[] {
  const isRoomMention: JsonObject[] = [
    { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
    { kind: 'sender_notification_permission', key: 'room' },
  ]
  return [
    rule('.m.rule.master', [], []),
    rule('.m.rule.suppress_notices', [matches('content.msgtype', 'm.notice')], []),
    rule(
      '.m.rule.invite_for_me',
      [matches('type', 'm.room.member'), matches('content.membership', 'invite'), matches('state_key', userId)],
      [notify, sound('default')],
    ),
    rule('.m.rule.member_event', [matches('type', 'm.room.member')], []),
    rule(
      '.m.rule.is_user_mention',
      [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId }],
      [notify, sound('default'), highlight],
    ),
    rule('.m.rule.is_room_mention', isRoomMention, [notify, highlight]),
    rule('.m.rule.tombstone', [matches('type', 'm.room.tombstone'), matches('state_key', '')], [notify, highlight]),
    rule('.m.rule.reaction', [matches('type', 'm.reaction')], []),
    rule('.m.rule.room.server_acl', [matches('type', 'm.room.server_acl'), matches('state_key', '')], []),
    rule('.m.rule.suppress_edits', [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }], []),
  ]
}

function underrideRules(): PushRule[] {
  return [
    rule('.m.rule.call', [matches('type', 'm.call.invite')], [notify, sound('ring')]),
    rule('.m.rule.encrypted_room_one_to_one', [hasTwoMembers, matches('type', 'm.room.encrypted')], [notify, sound('default')]),
    rule('.m.rule.room_one_to_one', [hasTwoMembers, matches('type', 'm.room.message')], [notify, sound('default')]),
    rule('.m.rule.message', [matches('type', 'm.room.message')], [notify]),
    rule('.m.rule.encrypted', [matches('type', 'm.room.encrypted')], [notify]),
  ]
}
