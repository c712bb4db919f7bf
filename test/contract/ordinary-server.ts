import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { WireRequest } from '../../src/ports/federation-transport.ts'
import type { TestKey } from './relay-fixture.ts'

export const version: WireRequest = { method: 'GET', uri: '/_matrix/federation/v1/version', headers: {} }

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  json(): unknown
}

/** Asks as an ordinary server does: by HTTP, with the server's name in the Host header. */
export function ask(url: string, host: string, { method, uri, headers, body }: WireRequest, ca?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method, headers: { ...headers, host }, ...(ca === undefined ? {} : { ca, servername: host.replace(/:\d+$/, '') }) }
    const sent = (ca === undefined ? httpRequest : httpsRequest)(new URL(uri, url), options, async (response) => {
      let text = ''
      for await (const piece of response) text += piece
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: () => JSON.parse(text) })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A transaction, signed. */
export function send(key: TestKey, to: string, txn: string, content: object = { pdus: [] }): WireRequest {
  return key.request({ from: key.label, to, method: 'PUT', uri: `/_matrix/federation/v1/send/${txn}`, content: { ...content } })
}
