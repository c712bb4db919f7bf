import type { Endpoint } from '../../../src/http/endpoint.ts'
import type { Operation } from './operations.ts'

/** One path of an endpoint: endpoints that serve several have one of these for each. */
export interface Route {
  /** `PUT /_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId` */
  readonly name: string
  readonly path: string
  readonly endpoint: Endpoint
}

export function routesOf(endpoints: readonly Endpoint[]): Route[] {
  return endpoints.flatMap((endpoint) =>
    (typeof endpoint.path === 'string' ? [endpoint.path] : endpoint.path).map((path) => ({
      name: `${endpoint.method} ${path}`,
      path,
      endpoint,
    })),
  )
}

/** The route that serves an operation: one whose path says the same, or says more than the operation's. */
export function routeFor(operation: Operation, routes: readonly Route[]): Route | undefined {
  const candidates = routes.filter(({ endpoint, path }) => endpoint.method === operation.method && serves(path, operation.path))
  return candidates.find(({ path }) => literals(path) === literals(operation.path)) ?? candidates[0]
}

/** The operation that a route serves; `undefined` where it goes beyond the specification. */
export function operationFor(route: Route, operations: readonly Operation[]): Operation | undefined {
  const candidates = operations.filter(({ method, path }) => method === route.endpoint.method && serves(route.path, path))
  return candidates.find(({ path }) => literals(path) === literals(route.path)) ?? candidates[0]
}

function serves(path: string, template: string): boolean {
  const [ours, theirs] = [path.split('/'), template.split('/')]
  return ours.length === theirs.length && ours.every((segment, index) => segment.startsWith(':') || segment === theirs[index])
}

function literals(path: string): string {
  return path.replaceAll(/:\w+|\{\w+\}/g, '*')
}
