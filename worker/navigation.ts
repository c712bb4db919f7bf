const frame = '<iframe src="/tab-host.html" data-yurt hidden title="Homeserver"></iframe>'
/** Describe bytes that the page no longer has. */
const staleHeaders = ['content-length', 'content-encoding', 'etag', 'last-modified']

/** The page with the tab host's hidden frame in it, so that any page of the origin can lead. What is no page of ours is left as it is. */
export async function withTabHost(response: Response): Promise<Response> {
  const isPage = response.headers.get('content-type')?.startsWith('text/html') ?? false
  if (!isPage || response.type === 'opaqueredirect') return response
  const html = await response.text()
  const headers = new Headers(response.headers)
  for (const name of staleHeaders) headers.delete(name)
  return new Response(inserted(html), { status: response.status, statusText: response.statusText, headers })
}

function inserted(html: string): string {
  if (html.includes('data-yurt')) return html
  const end = html.toLowerCase().lastIndexOf('</body>')
  return end === -1 ? html + frame : html.slice(0, end) + frame + html.slice(end)
}
