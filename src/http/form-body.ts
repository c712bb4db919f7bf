import { readBytes } from './json-body.ts'

/** Bytes that a form may have. */
const formLimit = 1 << 16

/** The fields of a body that is `application/x-www-form-urlencoded`; one that comes twice has no value. Throws `M_TOO_LARGE`. */
export async function readForm(request: Request): Promise<ReadonlyMap<string, string>> {
  const fields = new URLSearchParams(new TextDecoder().decode(await readBytes(request.body, formLimit)))
  return new Map([...fields].filter(([name]) => fields.getAll(name).length === 1))
}
