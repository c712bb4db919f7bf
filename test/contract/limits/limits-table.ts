import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../../..')
const name = /\w*(?:[lL]imits?|[mM]ost|[mM]ax|[lL]ongest|Bytes|Lifetime|allowances)\w*/
const declared = new RegExp(`^(?:export )?const (${name.source}) = (\\d[^\\n]*|\\{[^;]*?\\n?\\})(?: satisfies [^\\n]*)?$`, 'gm')

/** A bound that the homeserver keeps to. */
export interface Limit {
  /** `src/users/tags.ts` */
  readonly file: string
  readonly name: string
  readonly value: string
  /** What the comment above it says, or else its name. */
  readonly meaning: string
}

/** Every constant of the homeserver that is named as a limit: the one place where it is decided. */
export function limits(): Limit[] {
  return globSync('src/**/*.ts', { cwd: root })
    .filter((file) => !file.startsWith('src/spec/'))
    .sort()
    .flatMap((file) => limitsIn(file, readFileSync(join(root, file), 'utf8')))
}

function limitsIn(file: string, source: string): Limit[] {
  return [...source.matchAll(declared)].map(({ 1: constant = '', 2: value = '', index }) => ({
    file,
    name: constant,
    value: value.replaceAll(/\s+/g, ' ').replace(/,? \}$/, ' }'),
    meaning: commentBefore(source.slice(0, index)) ?? spelledOut(constant),
  }))
}

function commentBefore(source: string): string | undefined {
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n$/.exec(source)?.[1]
  return comment
    ?.replaceAll(/\n \*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\{@link (\w+)\}/g, '`$1`')
    .trim()
}

/** `maxUriLength` → `Max uri length` */
function spelledOut(constant: string): string {
  const words = constant.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return words.replace(/^./, (letter) => letter.toUpperCase())
}

const path = join(root, 'docs/limits.md')

/** The page as it is. */
export function limitsPage(): string {
  return readFileSync(path, 'utf8')
}

/** The page as it should be. */
export function limitsPageOf(all: readonly Limit[]): string {
  const byFolder = Map.groupBy(all, ({ file }) => file.split('/').slice(1, -1).join('/'))
  const sections = [...byFolder].map(([folder, of]) => [
    `## src/${folder}`,
    '',
    '| What | Limit | Where |',
    '|---|---|---|',
    ...of.map(({ meaning, value, file, name: constant }) => `| ${meaning} | \`${value}\` | \`${constant}\` in ${file.split('/').at(-1)} |`),
    '',
  ])
  const introduction = [
    '# Limits',
    '',
    'What the homeserver takes, keeps and does at most, so that nobody can make it take, keep or do without end. Names that end in',
    '`Ms` are milliseconds, in `Bytes` bytes; of pages, `fallback` is for who names no limit, `most` for who names a greater one.',
    'Uploads are bounded by a setting. The page is made from the source by `npm run limits -- --write`.',
    '',
  ]
  return [...introduction, ...sections.flat()].join('\n')
}
