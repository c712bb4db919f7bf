import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileGlob, containsPhrase } from '../../src/spec/glob.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { isAllowedByAcl } from '../../src/spec/server-acl.ts'

const matches = (pattern: string, text: string) => compileGlob(pattern).matches(text)
const matchesWords = (pattern: string, text: string) => compileGlob(pattern).matchesWords(text)

/** The meaning of a glob as a regular expression: slow, but plainly right. */
function expression(pattern: string): string {
  return [...pattern.toLowerCase()]
    .map((c) => (c === '*' ? '[^]*' : c === '?' ? '[^]' : c.replace(/[\\^$.*+?()[\]{}|/-]/u, '\\$&')))
    .join('')
}

const patternText = fc.string({ unit: fc.constantFrom('a', 'B', '*', '?', '.', ' ', '_', '😀', '\n', '('), maxLength: 8 })
const plainText = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '.', ' ', '_', '😀', '\n', '('), maxLength: 12 })

describe('a glob', () => {
  test('matches as the specification says', () => {
    for (const text of ['Lunch plans', 'LUNCH']) expect(matches('lunc?*', text)).toBe(true)
    for (const text of [' lunch', 'lunc']) expect(matches('lunc?*', text)).toBe(false)
  })

  test('matches what the same regular expression matches', () => {
    fc.assert(
      fc.property(patternText, plainText, (pattern, text) => {
        expect(matches(pattern, text)).toBe(new RegExp(`^${expression(pattern)}$`, 'u').test(text.toLowerCase()))
      }),
      { numRuns: 2000 },
    )
  })

  test('treats characters of regular expressions as themselves', () => {
    expect(matches('a.b', 'axb')).toBe(false)
    expect(matches('(a|b)+', '(a|b)+')).toBe(true)
  })

  test('takes no time to speak of where a backtracking one takes for ever', () => {
    expect(matches(`${'a*'.repeat(50)}b`, 'a'.repeat(20_000))).toBe(false)
    expect(matchesWords(`${'*a'.repeat(50)}b`, 'a'.repeat(20_000))).toBe(false)
  })
})

describe('a glob between word boundaries', () => {
  test('matches as the specification says', () => {
    for (const body of ['An example event.', 'exple', 'An exciting triple-whammy']) expect(matchesWords('ex*ple', body)).toBe(true)
    for (const body of ['examples', 'complexample', 'ex_ple_']) expect(matchesWords('ex*ple', body)).toBe(false)
  })

  test.each([
    ['cake', 'I like CAKE!', true],
    ['cake', 'cakes', false],
    ['cake', 'éclair-cake', true],
    ['cake', 'ücake', true],
    ['cake*lie', 'the cake is a lie', true],
    ['c?ke', 'a coke.', true],
    ['*', '', true],
    ['?', '😀', true],
  ])('%j in %j: %s', (pattern, body, expected) => {
    expect(matchesWords(pattern, body)).toBe(expected)
  })

  test('matches what the same regular expression matches', () => {
    fc.assert(
      fc.property(
        patternText.filter((pattern) => pattern !== ''),
        plainText,
        (pattern, text) => {
          const words = new RegExp(`(?<![a-z0-9_])${expression(pattern)}(?![a-z0-9_])`, 'u')
          expect(matchesWords(pattern, text)).toBe(words.test(text.toLowerCase()))
        },
      ),
      { numRuns: 2000 },
    )
  })
})

test('a phrase is found between word boundaries, its asterisks taken as they are', () => {
  expect(containsPhrase('hello Alice Smith!', 'alice smith')).toBe(true)
  expect(containsPhrase('malice alice', 'alice')).toBe(true)
  expect(containsPhrase('malice', 'alice')).toBe(false)
  expect(containsPhrase('hello', '*')).toBe(false)
  expect(containsPhrase('the * star', '*')).toBe(true)
  expect(containsPhrase('hello', '')).toBe(false)
})

describe('a server ACL', () => {
  const acl = { allow: ['*'], deny: ['evil.com', '*.Evil.com', 'bad?.example'] }

  test('lets everybody in where there is none', () => {
    expect(isAllowedByAcl('anyone.example', undefined)).toBe(true)
  })

  test('denies before it allows, whatever the port and the case', () => {
    for (const name of ['evil.com', 'evil.com:8448', 'EVIL.com:1', 'a.b.evil.com', 'bad1.example'])
      expect(isAllowedByAcl(name, acl)).toBe(false)
    for (const name of ['notevil.com', 'evil.com.example', 'bad12.example', '1.2.3.4', '[::1]:80'])
      expect(isAllowedByAcl(name, acl)).toBe(true)
  })

  test('lets nobody in without an allow list', () => {
    const contents: JsonObject[] = [{}, { allow: [] }, { allow: 'x' }, { allow: [5] }]
    for (const content of contents) expect(isAllowedByAcl('good.example', content)).toBe(false)
  })

  test('refuses IP literals where it says so, and only where it says false', () => {
    for (const name of ['1.2.3.4', '1.2.3.4:80', '[::1]', '[::1]:80']) {
      expect(isAllowedByAcl(name, { allow: ['*'], allow_ip_literals: false })).toBe(false)
      expect(isAllowedByAcl(name, { allow: ['*'], allow_ip_literals: 'false' })).toBe(true)
    }
    expect(isAllowedByAcl('good.example', { allow: ['*'], allow_ip_literals: false })).toBe(true)
  })

  test('refuses what is no server name', () => {
    expect(isAllowedByAcl('not a name', { allow: ['*'] })).toBe(false)
  })
})
