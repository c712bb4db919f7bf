import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { FormattedText } from '../../demo/rooms/formatted-text.tsx'

const shown = (html: string) => renderToStaticMarkup(createElement(FormattedText, { html }))

test.each([
  ['<strong>bold</strong> and <em>not</em>', '<strong>bold</strong> and <em>not</em>'],
  ['<ol start="3"><li>three</li></ol>', '<ol start="3"><li>three</li></ol>'],
  ['<pre><code class="language-js">a &lt; b</code></pre>', '<pre><code>a &lt; b</code></pre>'],
  ['<table> <tr> <td>1</td> </tr> </table>', '<table><tr><td>1</td></tr></table>'],
  ['<font color="red">red</font>', '<span>red</span>'],
  ['<mx-reply><blockquote>before</blockquote></mx-reply>after', 'after'],
  ['<img src="mxc://a/b" alt="a cat">', 'a cat'],
  ['<span data-mx-spoiler="the end">he wakes</span>', '<details class="spoiler"><summary>Spoiler: the end</summary>he wakes</details>'],
])('%s is shown as what it says', (html, expected) => expect(shown(html)).toBe(expected))

test('links lead to other pages alone, and nowhere with our page at hand', () => {
  const safe = (href: string) => `<a href="${href}" target="_blank" rel="noreferrer noopener">x</a>`
  expect(shown('<a href="https://a.example/?b=1">x</a>')).toBe(safe('https://a.example/?b=1'))
  for (const href of [
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,x',
    '/_matrix/',
    '#/join',
    'vbscript:x',
  ])
    expect(shown(`<a href="${href}">x</a>`)).toBe('<span>x</span>')
  expect(shown('see https://a.example/')).toBe(
    'see <a href="https://a.example/" target="_blank" rel="noreferrer noopener">https://a.example/</a>',
  )
})

test.each([
  ['<script>alert(1)</script>', ''],
  ['<img src=x onerror=alert(1)>', ''],
  ['<svg><script>alert(1)</script></svg>', ''],
  ['<b onclick="alert(1)" style="position:fixed">x</b>', '<b>x</b>'],
  ['<iframe src="https://a.example"></iframe>', ''],
  ['<form action="https://a.example"><input name="password"><button>go</button></form>', '<span><span></span><span>go</span></span>'],
  ['<p id="app" class="dialog" name="cookie">x</p>', '<p>x</p>'],
  ['<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">', ''],
  ['<!-- <b>x</b> --><![CDATA[<b>y</b>]]>', ''],
  ['<details open ontoggle=alert(1)><summary>s</summary>x</details>', '<details><summary>s</summary>x</details>'],
])('%s does nothing', (html, expected) => expect(shown(html)).toBe(expected))

test('what nests without end is cut off', () => {
  expect(shown(`${'<b>'.repeat(5000)}deep`)).not.toContain('deep')
  expect(shown(`${'<b>'.repeat(50)}not so deep`)).toContain('not so deep')
})
