import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MatrixError } from '../../src/spec/errors.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { eventTest } from '../../src/sync/event-filter.ts'
import { Tokens } from '../../src/sync/token.ts'

const natural = fc.integer({ min: 0, max: 2 ** 40 })

describe('tokens', () => {
  test('read as they were written', () => {
    fc.assert(
      fc.property(natural, natural, fc.option(natural, { nil: undefined }), (incarnation, position, toDevice) => {
        const tokens = new Tokens(incarnation, { current: position })
        const token = { position, ...(toDevice === undefined ? {} : { toDevice }) }
        expect(tokens.parseSync(tokens.sync(token))).toEqual(token)
        const point = { depth: incarnation, position }
        expect(tokens.parsePage(tokens.page(point))).toEqual({ point })
        expect(tokens.parsePage(tokens.sync({ position }))).toEqual({ position })
      }),
    )
  })

  test('of another incarnation, or from the future, are refused', () => {
    fc.assert(
      fc.property(natural, natural, (incarnation, position) => {
        const tokens = new Tokens(incarnation, { current: position })
        const later = new Tokens(incarnation, { current: position + 1 }).sync({ position: position + 1 })
        const foreign = new Tokens(incarnation + 1, { current: position }).sync({ position })
        for (const token of [later, foreign]) expect(() => tokens.parseSync(token)).toThrow(MatrixError)
      }),
    )
  })

  test('that are none are refused with a Matrix error, whatever they are', () => {
    const tokens = new Tokens(1, { current: 5 })
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^[st]\d/.test(text))
        expect(() => tokens.parsePage(text)).toThrow(MatrixError)
      }),
    )
  })
})

describe('a filter by links', () => {
  test('goes by whether there is a `url`, whatever it is', () => {
    const has = (content: JsonObject) => eventTest({ contains_url: true })({ type: 't', content })
    const lacks = (content: JsonObject) => eventTest({ contains_url: false })({ type: 't', content })
    for (const content of [{ url: 'mxc://a.example/x' }, { url: 5 }]) expect([has(content), lacks(content)]).toEqual([true, false])
    expect([has({ body: 'url' }), lacks({ body: 'url' })]).toEqual([false, true])
  })
})

describe('a filter of types', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 6 })

  test('takes `*` for any characters and everything else as it is', () => {
    fc.assert(
      fc.property(pattern, letters, (wildcard, type) => {
        const reference = new RegExp(`^${wildcard.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(type)
        expect(eventTest({ types: [wildcard] })({ type, content: {} })).toBe(reference)
        expect(eventTest({ not_types: [wildcard] })({ type, content: {} })).toBe(!reference)
      }),
      { numRuns: 1000 },
    )
  })

  test('takes nothing where the list is empty', () => {
    expect(eventTest({ types: [] })({ type: 'm.room.message', content: {} })).toBe(false)
    expect(eventTest({ not_types: [] })({ type: 'm.room.message', content: {} })).toBe(true)
  })
})
