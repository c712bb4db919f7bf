import { expect, test } from 'vitest'
import { createFederationEnd } from '../../worker/federation-end.ts'
import { nodeSigner } from '../simulation/node-signer.ts'

test('a GET with a body, as some clients send it, is answered as one without', async () => {
  const handle = async (request: Request) => Response.json({ method: request.method, body: await request.text() })
  const { handle: answer } = createFederationEnd({
    signer: nodeSigner('a.example'),
    homeserver: Promise.resolve({ handleClient: handle, handleFederation: handle }),
    pass: async () => undefined,
    superseded: () => undefined,
  })
  const asked = { uri: '/_matrix/client/v3/login', headers: {}, body: new TextEncoder().encode('{}') }
  for (const [method, body] of [
    ['GET', ''],
    ['POST', '{}'],
  ]) {
    const request = { ...asked, method: method ?? '' }
    const response = await answer({ surface: 'client', address: 'test', request }, new AbortController().signal)
    expect(await new Response(response.body).json()).toEqual({ method, body })
  }
})
