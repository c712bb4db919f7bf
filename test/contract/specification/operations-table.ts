import type { Endpoint } from '../../../src/http/endpoint.ts'
import type { ApiName } from './documents.ts'
import { notOffered } from './not-offered.ts'
import { type Operation, operationsOf } from './operations.ts'
import { routeFor, routesOf } from './served.ts'

const titles: Readonly<Record<ApiName, string>> = { 'client-server': 'Client-Server API', 'server-server': 'Server-Server API' }

/** What the README shows: each API's operations by module, and which are not offered and why. */
export function operationsTable(endpoints: { readonly client: readonly Endpoint[]; readonly federation: readonly Endpoint[] }): string {
  return [...section('client-server', endpoints.client), '', ...section('server-server', endpoints.federation)].join('\n')
}

/** Operations that are served, and offered. */
export function servedOperations(api: ApiName, endpoints: readonly Endpoint[]): Operation[] {
  const routes = routesOf(endpoints)
  return operationsOf(api).filter((operation) => routeFor(operation, routes) && !notOffered[api][operation.name])
}

function section(api: ApiName, endpoints: readonly Endpoint[]): string[] {
  const operations = operationsOf(api)
  const served = new Set(servedOperations(api, endpoints).map(({ name }) => name))
  const modules = [...Map.groupBy(operations, ({ module }) => module)].sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    `**${titles[api]}**: ${operations.length} operations, ${served.size} served.`,
    '',
    modules.map(([module, all]) => `${module} ${all.filter(({ name }) => served.has(name)).length}/${all.length}`).join(' · '),
    '',
    `<details><summary>Not offered: ${operations.length - served.size}</summary>`,
    '',
    '| Operation | Answer | Why |',
    '|---|---|---|',
    ...notOfferedRows(
      api,
      operations.filter(({ name }) => !served.has(name)),
    ),
    '',
    '</details>',
  ]
}

/** One row for the operations that have answer and reason in common. */
function notOfferedRows(api: ApiName, operations: readonly Operation[]): string[] {
  const groups = Map.groupBy(operations, ({ name }) => {
    const { answer, reason } = notOffered[api][name] ?? { answer: '?', reason: '?' }
    return `${answer} | ${reason}`
  })
  return [...groups].map(([why, group]) => `| ${group.map(({ name }) => `\`${name}\``).join('<br>')} | ${why} |`).sort()
}
