import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { invalidParam, missingParam } from '../../spec/errors.ts'
import type { JsonObject, JsonValue } from '../../spec/json.ts'
import { type PushRule, type PushRuleKind, pushRuleKinds } from '../../spec/push-rules.ts'
import { type PushRules, type RuleName, rulesetJson } from '../../users/push-rules.ts'

const global = '/_matrix/client/v3/pushrules/global'
const path = `${global}/:kind/:ruleId`

/** Bytes that a rule may have. */
const ruleBytes = 1 << 14
const action = v.union([v.custom<string>((value) => typeof value === 'string', 'not a string'), jsonObject])
const actions = v.pipe(v.array(action), v.maxLength(20))
const newRule = v.looseObject({
  actions,
  conditions: v.optional(v.pipe(v.array(jsonObject), v.maxLength(100))),
  pattern: v.optional(v.pipe(v.string(), v.maxLength(1000))),
})

/** A user's push rules (Client-Server API, "Push Rules: API"). */
export function pushRulesEndpoints({ pushRules }: { readonly pushRules: PushRules }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: ['/_matrix/client/v3/pushrules', '/_matrix/client/v3/pushrules/'],
      handle: async ({ session }) => ({ global: rulesetJson(await pushRules.of(session.userId)) }),
    }),
    forUser({
      method: 'GET',
      path: [global, `${global}/`],
      handle: async ({ session }) => rulesetJson(await pushRules.of(session.userId)),
    }),
    ...ruleEndpoints(pushRules),
    ...partEndpoints(pushRules),
  ]
}

function ruleEndpoints(pushRules: PushRules): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path,
      handle: async ({ session, params }) => ({ ...(await pushRules.rule(session.userId, ruleName(params))) }),
    }),
    forUser({
      method: 'PUT',
      path,
      query: v.looseObject({ before: v.optional(v.string()), after: v.optional(v.string()) }),
      bodyLimit: ruleBytes,
      body: newRule,
      handle: async ({ session, params, query: { before, after }, body }) => {
        const { kind, ruleId } = ruleName(params)
        const place = before !== undefined ? { before } : after !== undefined ? { after } : {}
        await pushRules.put(session.userId, kind, { rule: ownRule({ kind, ruleId }, body), place })
        return {}
      },
    }),
    forUser({
      method: 'DELETE',
      path,
      handle: async ({ session, params, keep }) => {
        await pushRules.delete(session.userId, ruleName(params), keep({}))
        return {}
      },
    }),
  ]
}

/** The parts of a rule, which predefined rules let their user change as well. */
function partEndpoints(pushRules: PushRules): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: `${path}/enabled`,
      handle: async ({ session, params }) => ({ enabled: (await pushRules.rule(session.userId, ruleName(params))).enabled }),
    }),
    forUser({
      method: 'PUT',
      path: `${path}/enabled`,
      body: v.looseObject({ enabled: v.boolean() }),
      handle: async ({ session, params, body: { enabled } }) => {
        await pushRules.adjust(session.userId, ruleName(params), { enabled })
        return {}
      },
    }),
    forUser({
      method: 'GET',
      path: `${path}/actions`,
      handle: async ({ session, params }) => ({ actions: (await pushRules.rule(session.userId, ruleName(params))).actions }),
    }),
    forUser({
      method: 'PUT',
      path: `${path}/actions`,
      bodyLimit: ruleBytes,
      body: v.looseObject({ actions }),
      handle: async ({ session, params, body }) => {
        await pushRules.adjust(session.userId, ruleName(params), { actions: body.actions })
        return {}
      },
    }),
  ]
}

function ruleName(params: Readonly<Record<string, string>>): RuleName {
  const kind = pushRuleKinds.find((known) => known === params.kind)
  if (!kind) throw invalidParam('There is no such kind of push rule')
  return { kind, ruleId: params.ruleId ?? '' }
}

function ownRule(
  { kind, ruleId }: RuleName,
  rule: { actions: JsonValue[]; conditions?: JsonObject[] | undefined; pattern?: string | undefined },
): PushRule {
  if (kind === 'postcontent') throw invalidParam('Rules of this kind are predefined')
  if (ruleId.startsWith('.')) throw invalidParam('Names that begin with a dot are reserved for predefined rules')
  if (/[/\\]/.test(ruleId) || ruleId.length > 255) throw invalidParam('The name of the rule is too long, or has a slash in it')
  return { rule_id: ruleId, default: false, enabled: true, actions: rule.actions, ...partsOf(kind, rule) }
}

function partsOf(kind: PushRuleKind, rule: { conditions?: JsonObject[] | undefined; pattern?: string | undefined }): Partial<PushRule> {
  if (kind === 'content') {
    if (rule.pattern === undefined) throw missingParam('pattern is missing')
    return { pattern: rule.pattern }
  }
  if (kind !== 'override' && kind !== 'underride') return {}
  const { conditions = [] } = rule
  if (conditions.some((condition) => typeof condition.kind !== 'string')) throw invalidParam('A condition has no kind')
  return { conditions }
}
