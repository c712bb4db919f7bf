import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { isObject, type JsonObject } from '../../../src/spec/json.ts'

/** The machine-readable Matrix specification, beside the project. */
const root = join(import.meta.dirname, '../../../../shared/spec')

export const hasSpecification = existsSync(root)
/** Why tests against the specification are skipped where it is absent. */
export const withoutSpecification = 'the Matrix OpenAPI is not at ../shared/spec'

export type ApiName = 'client-server' | 'server-server'

/** One YAML file of the specification, under the URL that its references are relative to. */
export interface SpecificationDocument {
  readonly url: string
  readonly content: JsonObject
}

/** Every file of an API with an operation in it. */
export function apiDocuments(api: ApiName): SpecificationDocument[] {
  return yamlFiles(join(root, 'api', api)).map(read)
}

function yamlFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && entry.name.endsWith('.yaml'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function read(path: string): SpecificationDocument {
  const content: unknown = parse(readFileSync(path, 'utf8'))
  if (!isObject(content)) throw new Error(`${path} holds no object`)
  return { url: pathToFileURL(path).href, content }
}
