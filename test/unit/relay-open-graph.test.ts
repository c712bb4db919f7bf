import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeHtml, openGraphOf } from '../../relay/open-graph.ts'

const base = new URL('https://page.example/dir/page.html')

describe('a preview', () => {
  test('is what the page says of itself, with an absolute image', () => {
    const html = `<head><title>Not this</title><meta property="og:title" content="Tom &amp; Jerry">
      <meta property='og:description' content=' Cat
      and  mouse '><meta property="og:image" content="../a.png"><meta property="og:type" content="video"></head>`
    expect(openGraphOf(html, base)).toEqual({
      'og:title': 'Tom & Jerry',
      'og:description': 'Cat and mouse',
      'og:image': 'https://page.example/a.png',
      'og:type': 'video',
    })
  })

  test('falls back to other cards, to title and description, to headings, text and pictures', () => {
    const cards = '<meta name="twitter:title" content="T"><meta name="description" content="D"><link rel="image_src" href="/i.png">'
    expect(openGraphOf(cards, base)).toEqual({ 'og:title': 'T', 'og:description': 'D', 'og:image': 'https://page.example/i.png' })
    const plain = '<script>var p = "<p>no"</script><nav><p>Menu</p></nav><h1>Head<b>ing</b></h1><p>Text</p><p>More</p><img src="b.gif">'
    expect(openGraphOf(plain, base)).toEqual({
      'og:title': 'Heading',
      'og:description': 'Text',
      'og:image': 'https://page.example/dir/b.gif',
    })
  })

  test('has no image but from the web, and nothing of what is empty', () => {
    expect(openGraphOf('<meta property="og:image" content="javascript:alert(1)"><title> </title>', base)).toEqual({})
    expect(openGraphOf('<meta property="og:image" content="data:image/png;base64,x">', base)).toEqual({})
  })

  test('is bounded, whatever the page is', () => {
    const big = openGraphOf(`<title>${'x'.repeat(100_000)}</title>${'<meta property="og:x1" content="y">'.repeat(1000)}`, base)
    expect(big['og:title']).toHaveLength(1000)
    fc.assert(
      fc.property(fc.string({ maxLength: 2000, unit: 'binary' }), (html) => {
        for (const value of Object.values(openGraphOf(html, base))) expect(value.length).toBeLessThanOrEqual(2048)
      }),
    )
  })
})

test('the character set is that of the type, or of the page itself', () => {
  expect(decodeHtml(Uint8Array.of(0xe4), 'text/html; charset=ISO-8859-1')).toBe('ä')
  const inPage = new Uint8Array([...new TextEncoder().encode('<meta charset="windows-1252">'), 0x80])
  expect(decodeHtml(inPage, 'text/html')).toBe('<meta charset="windows-1252">€')
  expect(decodeHtml(Uint8Array.of(0xc3, 0xa4), 'text/html; charset=nonsense')).toBe('ä')
})
