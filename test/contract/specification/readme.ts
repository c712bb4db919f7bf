import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const path = join(import.meta.dirname, '../../../README.md')
const [start, end] = ['<!-- npm run operations -->\n', '\n<!-- /npm run operations -->']

/** The part of the README that `npm run operations -- --write` keeps. Throws where the marks around it are not there. */
export function generatedPart(): string {
  return parts(readFileSync(path, 'utf8')).generated
}

export function writeGeneratedPart(text: string): void {
  const { before, after } = parts(readFileSync(path, 'utf8'))
  writeFileSync(path, before + text + after)
}

function parts(readme: string) {
  const [from, to] = [readme.indexOf(start) + start.length, readme.indexOf(end)]
  if (to < from || from < start.length) throw new Error('README.md lacks the marks around the table of operations')
  return { before: readme.slice(0, from), generated: readme.slice(from, to), after: readme.slice(to) }
}
