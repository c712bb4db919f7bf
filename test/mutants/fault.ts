import { readFileSync } from 'node:fs'

/** A test that must fail once a fault is planted: its file, and its name or a part of it. */
export interface Killer {
  readonly file: string
  readonly test: string
}

/** A fault to be planted in the source: what text of a file becomes what. */
export interface Fault {
  readonly name: string
  readonly file: string
  /** Stands in the file exactly once. */
  readonly text: string
  readonly becomes: string
  readonly killers: readonly Killer[]
}

/** The source with the fault in it. Throws where the text it is keyed by is not there exactly once. */
export function planted({ name, file, text, becomes }: Fault, source: string = readFileSync(file, 'utf8')): string {
  const parts = source.split(text)
  if (parts.length !== 2) throw new Error(`"${name}" no longer fits ${file}: its text is there ${parts.length - 1} times`)
  return parts.join(becomes)
}
