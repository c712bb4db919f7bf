const frame = '<iframe src="/tab-host.html" data-yurt hidden title="Homeserver"></iframe>'
/** Describe bytes that the page no longer has. */
const staleHeaders = ['content-length', 'content-encoding', 'etag', 'last-modified']

/**
 * The page with the tab host's hidden frame in it, so that any page of the origin can lead. What is no page of ours is left as it is.
 *
 * @param script the path of a script that runs before all others, if there is one
 */
export async function withTabHost(response: Response, script?: string): Promise<Response> {
  const isPage = response.headers.get('content-type')?.startsWith('text/html') ?? false
  if (!isPage || response.type === 'opaqueredirect') return response
  const html = await response.text()
  const headers = new Headers(response.headers)
  for (const name of staleHeaders) headers.delete(name)
  const page = withFrame(script === undefined ? html : withScript(html, script))
  return new Response(page, { status: response.status, statusText: response.statusText, headers })
}

function withFrame(html: string): string {
  if (html.includes('data-yurt')) return html
  const end = html.toLowerCase().lastIndexOf('</body>')
  return end === -1 ? html + frame : html.slice(0, end) + frame + html.slice(end)
}

/** In front of the first script, wherever that is: behind a policy in a `<meta>`, which a page may begin with. */
function withScript(html: string, path: string): string {
  const at = html.search(/<script[\s>]/i)
  const element = `<script src="${path}"></script>`
  return at === -1 ? html + element : html.slice(0, at) + element + html.slice(at)
}
