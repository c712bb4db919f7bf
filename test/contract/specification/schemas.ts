import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { JsonValue } from '../../../src/spec/json.ts'
import { allDocuments } from './documents.ts'

const base64 = /^[A-Za-z0-9+/]*$/
const urlSafeBase64 = /^[A-Za-z0-9_-]*$/

/** The formats of the specification (string-formats.yaml), read more strictly than by their sigil. */
const formats = {
  'mx-user-id': /^@[^\0]*:.+$/,
  'mx-event-id': /^\$.+$/,
  'mx-room-id': /^!.+$/,
  'mx-room-alias': /^#[^\0]*:.+$/,
  'mx-server-name': /^(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/i,
  'mx-mxc-uri': /^mxc:\/\/[^/]+\/[A-Za-z0-9_-]+$/,
  'mx-unpadded-base64': base64,
  'mx-urlsafe-unpadded-base64': urlSafeBase64,
  uri: (text: string) => URL.canParse(text),
  email: /^[^@]+@[^@]+$/,
}

let loaded: Ajv2020 | undefined
const compiled = new Map<string, ValidateFunction>()

/** What `value` breaks of the schema at a JSON pointer in a file of the specification; nothing where it is as it should be. */
export function faults(value: JsonValue, schemaUrl: string): string[] {
  const validate = compiled.get(schemaUrl) ?? validator().compile({ $ref: schemaUrl })
  compiled.set(schemaUrl, validate)
  if (validate(value)) return []
  return (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
}

function validator(): Ajv2020 {
  if (loaded) return loaded
  // The specification's own keywords (x-…, example) mean nothing to a validator.
  loaded = new Ajv2020({ strict: false, allErrors: true, validateSchema: false, formats, logger: false })
  for (const { url, content } of allDocuments()) loaded.addSchema({ ...content, $id: url }, url)
  return loaded
}
