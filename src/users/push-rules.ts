import type { Write } from '../ports/storage.ts'
import { notFound, unknownError } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { defaultPushRules } from '../spec/push-rule-defaults.ts'
import { type PushRule, type PushRuleKind, type PushRuleset, pushRuleKinds } from '../spec/push-rules.ts'
import { Lru } from '../storage/lru.ts'
import type { Position } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import type { AccountData } from './account-data.ts'

const masterRuleId = '.m.rule.master'
const accountDataType = 'm.push_rules'
/** Rules of their own that a user may have, of one kind. */
const ruleLimit = 1_000

/** Which rule, of a kind. */
export interface RuleName {
  readonly kind: PushRuleKind
  readonly ruleId: string
}

/** Where a rule goes: the next more important than `before`, or less important than `after`. */
export interface RulePlace {
  readonly before?: string
  readonly after?: string
}

/** The account data that every user has without having set it. */
export function impliedAccountData(userId: UserId): Record<string, JsonObject> {
  return { [accountDataType]: contentOf(defaultPushRules(userId)) }
}

interface RulesChange {
  readonly change: (rules: readonly PushRule[]) => readonly PushRule[]
  /** Written in the same commit. */
  readonly alongside?: readonly Write[]
}

/** Users' push rules, kept as the account data `m.push_rules` (Client-Server API, "Push Rules"). */
export class PushRules {
  readonly #accountData: AccountData
  readonly #turns = new Turns()
  readonly #known = new Lru<UserId, { readonly at: Position; readonly rules: PushRuleset }>(1000)

  constructor(deps: { accountData: AccountData }) {
    this.#accountData = deps.accountData
  }

  /** A user's rules: their own, and the predefined ones as they changed them. */
  async of(userId: UserId): Promise<PushRuleset> {
    const known = this.#known.get(userId)
    if (known && !this.#accountData.changedAfter(userId, known.at)) return known.rules
    const at = this.#accountData.position
    const stored = await this.#accountData.get(userId, '', accountDataType)
    const global = isObject(stored?.global) ? stored.global : {}
    const defaults = defaultPushRules(userId)
    const rules = rulesetOf((kind) => merged(defaults[kind], readRules(global[kind])))
    this.#known.set(userId, { at, rules })
    return rules
  }

  /** Throws `M_NOT_FOUND`. */
  async rule(userId: UserId, { kind, ruleId }: RuleName): Promise<PushRule> {
    return found((await this.of(userId))[kind], ruleId)
  }

  /** Adds a rule of the user's own, or replaces it. Throws `M_UNKNOWN` if `place` names no rule of the user's own. */
  async put(userId: UserId, kind: PushRuleKind, added: { rule: PushRule; place: RulePlace }): Promise<void> {
    await this.#change(userId, kind, { change: (rules) => placed(rules, added.rule, added.place) })
  }

  /** Throws `M_NOT_FOUND`; predefined rules cannot be removed. */
  async delete(userId: UserId, { kind, ruleId }: RuleName, alongside: readonly Write[] = []): Promise<void> {
    const without = (rules: readonly PushRule[]) => {
      if (found(rules, ruleId).default) throw notFound('Predefined rules cannot be removed')
      return rules.filter((rule) => rule.rule_id !== ruleId)
    }
    await this.#change(userId, kind, { change: without, alongside })
  }

  /** Changes a rule's `enabled` or `actions`. Throws `M_NOT_FOUND`. */
  async adjust(userId: UserId, { kind, ruleId }: RuleName, changed: Partial<Pick<PushRule, 'enabled' | 'actions'>>): Promise<void> {
    const adjusted = (rules: readonly PushRule[]) => {
      found(rules, ruleId)
      return rules.map((rule) => (rule.rule_id === ruleId ? { ...rule, ...changed } : rule))
    }
    await this.#change(userId, kind, { change: adjusted })
  }

  #change(userId: UserId, kind: PushRuleKind, { change, alongside = [] }: RulesChange): Promise<void> {
    return this.#turns.take(userId, async () => {
      const rules = await this.of(userId)
      const content = contentOf({ ...rules, [kind]: change(rules[kind]) })
      await this.#accountData.set(userId, '', { type: accountDataType, content, alongside })
    })
  }
}

function found(rules: readonly PushRule[], ruleId: string): PushRule {
  const rule = rules.find((candidate) => candidate.rule_id === ruleId)
  if (!rule) throw notFound('There is no such push rule')
  return rule
}

/** Predefined rules in their own order, changed as `stored` has them, with the user's own before all but the master rule. */
function merged(defaults: readonly PushRule[], stored: readonly PushRule[]): PushRule[] {
  const current = defaults.map((rule) => {
    const changed = stored.find((candidate) => candidate.rule_id === rule.rule_id)
    return changed ? { ...rule, enabled: changed.enabled, actions: changed.actions } : rule
  })
  const own = stored.filter((rule) => !rule.default)
  const isMaster = (rule: PushRule) => rule.rule_id === masterRuleId
  return [...current.filter(isMaster), ...own, ...current.filter((rule) => !isMaster(rule))]
}

function placed(rules: readonly PushRule[], rule: PushRule, { before, after }: RulePlace): PushRule[] {
  const own = rules.filter((candidate) => !candidate.default)
  const at = own.findIndex(({ rule_id }) => rule_id === rule.rule_id)
  const others = own.filter(({ rule_id }) => rule_id !== rule.rule_id)
  if (others.length >= ruleLimit) throw unknownError('Too many push rules', 400)
  const anchor = before ?? after
  const anchorAt = others.findIndex(({ rule_id }) => rule_id === anchor)
  if (anchor !== undefined && anchorAt === -1) throw unknownError(`before/after rule not found: ${anchor}`, 400)
  const index = before !== undefined ? anchorAt : after !== undefined ? anchorAt + 1 : Math.max(at, 0)
  // The predefined rules keep their places whatever they are listed after: see merged().
  return [...others.toSpliced(index, 0, rule), ...rules.filter((candidate) => candidate.default)]
}

function rulesetOf(rulesOf: (kind: PushRuleKind) => readonly PushRule[]): PushRuleset {
  return {
    override: rulesOf('override'),
    content: rulesOf('content'),
    postcontent: rulesOf('postcontent'),
    room: rulesOf('room'),
    sender: rulesOf('sender'),
    underride: rulesOf('underride'),
  }
}

/** A ruleset as JSON: the `global` of `GET /pushrules/`. */
export function rulesetJson(ruleset: PushRuleset): JsonObject {
  return Object.fromEntries(pushRuleKinds.map((kind) => [kind, ruleset[kind].map((rule): JsonObject => ({ ...rule }))]))
}

function contentOf(ruleset: PushRuleset): JsonObject {
  return { global: rulesetJson(ruleset) }
}

function readRules(stored: JsonValue | undefined): PushRule[] {
  return Array.isArray(stored) ? stored.flatMap((rule) => (isPushRule(rule) ? [rule] : [])) : []
}

function isPushRule(rule: JsonValue): rule is JsonObject & PushRule {
  return (
    isObject(rule) &&
    typeof rule.rule_id === 'string' &&
    typeof rule.default === 'boolean' &&
    typeof rule.enabled === 'boolean' &&
    Array.isArray(rule.actions)
  )
}
