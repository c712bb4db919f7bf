import { parseDocument } from 'htmlparser2'
import { createElement, type ReactNode } from 'react'
import { LinkedText } from './linked-text.tsx'

type Node = ReturnType<typeof parseDocument>['children'][number]

/** What people may write in (Client-Server API, "m.room.message msgtypes"), as far as it stands for itself. */
const plainTags: ReadonlySet<string> = new Set(
  'del h1 h2 h3 h4 h5 h6 blockquote p ul ol li sup sub b i u strong em s code pre hr br div table thead tbody tr th td caption details summary'.split(
    ' ',
  ),
)
const voidTags: ReadonlySet<string> = new Set(['hr', 'br'])
/** React would complain of the white space between their parts. */
const tableTags: ReadonlySet<string> = new Set(['table', 'thead', 'tbody', 'tr'])
/** Left out with all that they hold; of other tags that are not known, what they hold is shown. */
const hiddenTags: ReadonlySet<string> = new Set(
  'mx-reply script style title head template iframe object noscript textarea select svg math video audio canvas'.split(' '),
)
const linkSchemes = /^(https?|ftp|mailto|magnet):/i
/** How deep elements may nest, as the specification recommends. */
const mostDepth = 100

/**
 * Formatted text that somebody else wrote. Nothing of it is ever parsed by the browser: only elements that are named here are made,
 * without any attribute but the address of a link and the first number of a list.
 */
export function FormattedText({ html }: { html: string }) {
  return parseDocument(html).children.map((node, index) => shown(node, index, 0))
}

function shown(node: Node, key: number, depth: number): ReactNode {
  if (node.type === 'text') return <LinkedText key={key} text={node.data} />
  if (!('attribs' in node) || hiddenTags.has(node.name) || depth > mostDepth) return null
  const { name, attribs } = node
  if (voidTags.has(name)) return createElement(name, { key })
  if (name === 'img') return attribs.alt ?? attribs.title ?? null
  const parts = tableTags.has(name) ? node.children.filter(({ type }) => type !== 'text') : node.children
  const children = parts.map((child, index) => shown(child, index, depth + 1))
  if (name === 'a' && linkSchemes.test(attribs.href ?? '')) {
    return (
      <a key={key} href={attribs.href} target="_blank" rel="noreferrer noopener">
        {children.length > 0 ? linkContent(parts, depth) : attribs.href}
      </a>
    )
  }
  if ('data-mx-spoiler' in attribs) {
    return (
      <details key={key} className="spoiler">
        <summary>{attribs['data-mx-spoiler'] ? `Spoiler: ${attribs['data-mx-spoiler']}` : 'Spoiler'}</summary>
        {children}
      </details>
    )
  }
  if (!plainTags.has(name)) return createElement('span', { key }, children)
  const start = name === 'ol' && /^\d{1,9}$/.test(attribs.start ?? '') ? { start: Number(attribs.start) } : {}
  return createElement(name, { key, ...start }, children)
}

/** What a link shows: no link in it is one of its own. */
function linkContent(parts: readonly Node[], depth: number): ReactNode[] {
  return parts.map((part, index) =>
    part.type === 'text' ? part.data : 'attribs' in part && part.name === 'a' ? null : shown(part, index, depth + 1),
  )
}
