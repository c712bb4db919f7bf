import { Parser } from 'htmlparser2'

const maxText = 1000
const maxProperties = 50
/** What stands in for a property that a page has not. */
const fallbacks: Readonly<Record<string, readonly string[]>> = {
  'og:title': ['twitter:title', 'title', 'h1'],
  'og:description': ['twitter:description', 'description', 'p'],
  'og:image': ['twitter:image', 'image_src', 'img'],
}
const textElements: readonly string[] = ['title', 'h1', 'p']
/** Text in these is no text of the page. */
const silent: readonly string[] = ['script', 'style', 'noscript', 'template', 'nav', 'header', 'footer', 'aside']

/** The OpenGraph properties of a page, from what it has of them and, without those, from what it says. Images' addresses are absolute. */
export function openGraphOf(html: string, base: URL): Record<string, string> {
  const found = read(html)
  const properties = [...found].filter(([name]) => /^og:[a-z0-9:_-]{1,50}$/.test(name)).slice(0, maxProperties)
  const result = new Map(properties)
  for (const [name, others] of Object.entries(fallbacks)) {
    const other = others.find((each) => found.get(each))
    if (!result.get(name) && other !== undefined) result.set(name, found.get(other) ?? '')
  }
  const image = result.get('og:image')
  const url = image === undefined ? undefined : URL.parse(image, base)
  if (url && /^https?:$/.test(url.protocol)) result.set('og:image', url.href)
  else result.delete('og:image')
  return Object.fromEntries([...result].filter(([, value]) => value !== ''))
}

/** The first value of each property, and of what can stand in for one. */
function read(html: string): Map<string, string> {
  const found = new Map<string, string>()
  let text: { name: string; value: string } | undefined
  let silence = 0
  const keep = (name: string, value: string | undefined): void => {
    const tidy = value?.replace(/\s+/g, ' ').trim().slice(0, maxText)
    if (tidy && !found.has(name)) found.set(name, tidy)
  }
  const parser = new Parser({
    onopentag: (name, attributes) => {
      if (silent.includes(name)) silence++
      if (name === 'meta') keep((attributes.property ?? attributes.name ?? '').toLowerCase(), attributes.content)
      if (name === 'link' && attributes.rel === 'image_src') keep('image_src', attributes.href)
      if (name === 'img' && silence === 0) keep('img', attributes.src)
      if (textElements.includes(name) && silence === 0 && !found.has(name)) text = { name, value: '' }
    },
    ontext: (data) => {
      if (text && silence === 0 && text.value.length < 4 * maxText) text.value += data
    },
    onclosetag: (name) => {
      if (silent.includes(name)) silence = Math.max(0, silence - 1)
      if (text?.name !== name) return
      keep(name, text.value)
      text = undefined
    },
  })
  parser.end(html)
  return found
}

/** The text of a page, by the character set that its type or its head names. */
export function decodeHtml(bytes: Uint8Array, contentType: string): string {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 2048))
  const label = /charset\s*=\s*["']?([\w:-]{1,40})/i.exec(contentType)?.[1] ?? /charset\s*=\s*["']?([\w:-]{1,40})/i.exec(head)?.[1]
  try {
    return new TextDecoder(label ?? 'utf-8').decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}
