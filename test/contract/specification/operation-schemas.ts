import { isObject, type JsonValue } from '../../../src/spec/json.ts'
import { apiDocuments } from './documents.ts'
import { at, entries, escaped, type Operation } from './operations.ts'
import { faults } from './schemas.ts'

const jsonSchema = ['content', 'application/json', 'schema'] as const

/** What a JSON request breaks of its operation: its body, and its parameters in path and query. */
export function requestFaults(operation: Operation, request: { readonly uri: string; readonly body: JsonValue | undefined }): string[] {
  return [...parameterFaults(operation, request.uri), ...bodyFaults(operation, request.body)]
}

/** What a JSON response breaks of what its operation promises for that status. Errors that it does not name are standard errors. */
export function responseFaults(operation: Operation, status: number, body: JsonValue): string[] {
  // Where there is user-interactive authentication, a missing token is still a standard error.
  if (status === 401) return faults(body, definition(isObject(body) && 'flows' in body ? 'auth_response.yaml' : 'errors/error.yaml'))
  const found = resolved(operation, ['responses', String(status)])
  if (!found) return status < 400 ? [`${status} is none of its responses`] : faults(body, definition('errors/error.yaml'))
  return at(found.value, ...jsonSchema) === undefined ? [] : faults(body, `${found.url}/${jsonSchema.map(escaped).join('/')}`)
}

/** Whether a response of this status is JSON. */
export function answersJson(operation: Operation, status: number): boolean {
  const content = at(resolved(operation, ['responses', String(status)])?.value, 'content')
  return status >= 400 || content === undefined || at(content, 'application/json') !== undefined
}

function bodyFaults(operation: Operation, body: JsonValue | undefined): string[] {
  const found = resolved(operation, ['requestBody'])
  if (!found || at(found.value, ...jsonSchema) === undefined) return []
  if (body === undefined) return at(found.value, 'required') === true ? ['the body is missing'] : []
  return faults(body, `${found.url}/${jsonSchema.map(escaped).join('/')}`).map((fault) => `body ${fault}`)
}

function parameterFaults(operation: Operation, uri: string): string[] {
  const [path = '', query = ''] = uri.split('?')
  const search = new URLSearchParams(query)
  const segments = new Map(operation.path.split('/').map((segment, index) => [segment, path.split('/')[index] ?? '']))
  return entries(operation.definition.parameters).flatMap(([index]) => {
    const found = resolved(operation, ['parameters', index])
    const { name, in: place, required } = isObject(found?.value) ? found.value : {}
    if (!found || typeof name !== 'string') return []
    const schema = at(found.value, 'schema')
    const given = place === 'query' ? search.getAll(name) : [decodeURIComponent(segments.get(`{${name}}`) ?? '')]
    if (given.length === 0) return required === true ? [`${name} is missing`] : []
    return faults(typed(given, at(schema, 'type')), `${found.url}/schema`).map((fault) => `${name}${fault}`)
  })
}

/** A parameter as the schema sees it: it is text in a URL. */
function typed(given: readonly string[], type: JsonValue | undefined): JsonValue {
  if (type === 'array') return [...given]
  const [text = ''] = given
  if (type === 'integer' || type === 'number') return Number(text)
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  return text
}

/** A part of an operation, with its URL: where the part is a reference, what it refers to. */
function resolved(operation: Operation, path: readonly string[]): { readonly value: JsonValue; readonly url: string } | undefined {
  const { document, pointer } = operation.at
  const value = at(operation.definition, ...path)
  if (value === undefined) return undefined
  const reference = at(value, '$ref')
  if (typeof reference !== 'string') return { value, url: `${document.url}#${pointer}/${path.map(escaped).join('/')}` }
  const target = at(document.content, ...reference.replace(/^#\//, '').split('/'))
  return target === undefined ? undefined : { value: target, url: `${document.url}${reference}` }
}

function definition(name: string): string {
  return new URL(`definitions/${name}`, apiDocuments('client-server')[0]?.url).href
}
