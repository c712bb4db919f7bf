/** Types that a browser may show by itself without harm (Client-Server API, "Serving inline content"). */
const inlineTypes = new Set(
  [
    ['text', ['css', 'plain', 'csv']],
    ['application', ['json', 'ld+json']],
    ['image', ['jpeg', 'gif', 'png', 'apng', 'webp', 'avif']],
    ['video', ['mp4', 'webm', 'ogg', 'quicktime']],
    ['audio', ['mp4', 'webm', 'aac', 'mpeg', 'ogg', 'wave', 'wav', 'x-wav', 'x-pn-wav', 'flac', 'x-flac']],
  ].flatMap(([kind, subtypes]) => [...(subtypes ?? [])].map((subtype) => `${kind}/${subtype}`)),
)

/** The `Content-Disposition` of media: `inline` for harmless types alone, with the file name in a form all clients read. */
export function dispositionOf(contentType: string, filename: string | undefined): string {
  const essence = (contentType.split(';')[0] ?? '').trim().toLowerCase()
  const disposition = inlineTypes.has(essence) ? 'inline' : 'attachment'
  if (filename === undefined) return disposition
  const encoded = encodeURIComponent(filename).replace(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  return /^[\w!#$&+.^`|~-]+$/.test(filename) ? `${disposition}; filename=${filename}` : `${disposition}; filename*=utf-8''${encoded}`
}
