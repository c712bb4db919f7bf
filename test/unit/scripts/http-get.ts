import { request } from 'node:http'

interface Reply {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

interface GetOptions {
  readonly method?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Asks a server on loopback for exactly this path, in the name of this host: `fetch` would tidy the one and set the other. */
export function get(
  { port }: { readonly port: number },
  path: string,
  { method = 'GET', host = 'localhost', headers }: GetOptions,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers: { host, ...headers } }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    outgoing.on('error', reject).end()
  })
}
