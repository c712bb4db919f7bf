import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Handler } from '../../src/http/router.ts'
import { isObject } from '../../src/spec/json.ts'

/** Where the Matrix OpenAPI is, beside the project. */
const specification = join(import.meta.dirname, '../../../shared/spec/api')

/** The directory of an API's OpenAPI files. */
export function openApiOf(api: 'client-server' | 'server-server'): string {
  return join(specification, api)
}

/** `METHOD path` of every operation in the OpenAPI files of a directory. */
export function operationsOf(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
    .flatMap(({ name }) => operationsIn(readFileSync(join(directory, name), 'utf8')))
    .sort()
}

function operationsIn(yaml: string): string[] {
  const base = /basePath:\s*\n\s*default: (\S+)/.exec(yaml)?.[1] ?? ''
  const found: string[] = []
  let path = ''
  for (const line of yaml.slice(yaml.indexOf('\npaths:'), yaml.indexOf('\nservers:')).split('\n')) {
    const named = /^ {2}"?(\/[^":]*)"?:/.exec(line)?.[1]
    if (named !== undefined) path = named.trim()
    const method = /^ {4}(get|put|post|delete):/.exec(line)?.[1]
    if (method !== undefined) found.push(`${method.toUpperCase()} ${base === '/' ? '' : base}${path}`)
  }
  return found
}

/** Whether a handler knows an operation, whatever it answers to a request that is otherwise nonsense. */
export async function isServed(handler: Handler, operation: string): Promise<boolean> {
  const [method = '', path = ''] = operation.split(' ')
  const uri = path.replace(/\{\w+\}/g, 'x')
  const body = method === 'GET' ? {} : { body: '{}' }
  const response = await handler(new Request(`https://home.example${uri}`, { method, ...body }), { trusted: false, address: 'test', uri })
  const answer: unknown = await response.json()
  return !isObject(answer) || answer.errcode !== 'M_UNRECOGNIZED'
}
