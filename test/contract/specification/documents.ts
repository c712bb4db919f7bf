import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
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
  return yamlFiles(join(root, 'api', api), false).map(read)
}

/** Every file that a schema may refer to. */
export function allDocuments(): SpecificationDocument[] {
  return ['api/client-server', 'api/server-server', 'api/application-service', 'event-schemas', 'schemas'].flatMap((directory) =>
    yamlFiles(join(root, directory), true).map(read),
  )
}

/** The event types that have a schema, each with the URL of its schema. */
export function eventSchemaUrls(): Map<string, string> {
  return new Map(
    yamlFiles(join(root, 'event-schemas/schema'), false).map((path) => [
      path.slice(path.lastIndexOf(sep) + 1, -'.yaml'.length),
      pathToFileURL(path).href,
    ]),
  )
}

/** The document at a URL of {@link eventSchemaUrls}. */
export function documentAt(url: string): JsonObject {
  return read(fileURLToPath(url)).content
}

const documents = new Map<string, SpecificationDocument>()

function yamlFiles(directory: string, recursive: boolean): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true, recursive })
    .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && entry.name.endsWith('.yaml'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function read(path: string): SpecificationDocument {
  const known = documents.get(path)
  if (known) return known
  const content: unknown = parse(readFileSync(path, 'utf8'))
  if (!isObject(content)) throw new Error(`${path} holds no object`)
  const document = { url: pathToFileURL(path).href, content }
  documents.set(path, document)
  return document
}
