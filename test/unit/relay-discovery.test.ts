import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDiscovery, type DiscoveryNetwork, type SrvRecord } from '../../relay/discovery.ts'
import type { WellKnownResponse } from '../../relay/well-known.ts'

interface Network {
  readonly wellKnown?: Readonly<Record<string, WellKnownResponse>>
  readonly srv?: Readonly<Record<string, readonly SrvRecord[]>>
  readonly known?: readonly string[]
}

function discover({ wellKnown = {}, srv = {}, known = [] }: Network) {
  const asked: string[] = []
  let time = 1_700_000_000_000
  const network: DiscoveryNetwork = {
    wellKnown: async (hostname) => {
      asked.push(`https://${hostname}`)
      return wellKnown[hostname]
    },
    srv: async (name) => {
      asked.push(name)
      return srv[name] ?? []
    },
    now: () => time,
  }
  const { destinations } = createDiscovery({ ...network, known: new Set(known) })
  return {
    asked,
    destinations,
    wait: (ms: number) => {
      time += ms
    },
    now: () => time,
  }
}

const delegation = (to: unknown, headers: Record<string, string> = {}): WellKnownResponse => ({
  status: 200,
  headers,
  body: JSON.stringify({ 'm.server': to }),
})
const record = (name: string, port: number, priority = 10, weight = 0): SrvRecord => ({ name, port, priority, weight })
const at = (host: string, port: number, hostHeader: string, certificateName: string) => ({ host, port, hostHeader, certificateName })
const minuteMs = 60_000
const hourMs = 60 * minuteMs

describe('server discovery', () => {
  test.each([
    ['1.2.3.4', at('1.2.3.4', 8448, '1.2.3.4', '1.2.3.4')],
    ['1.2.3.4:99', at('1.2.3.4', 99, '1.2.3.4:99', '1.2.3.4')],
    ['[2001:db8::1]', at('2001:db8::1', 8448, '[2001:db8::1]', '2001:db8::1')],
    ['[2001:db8::1]:99', at('2001:db8::1', 99, '[2001:db8::1]:99', '2001:db8::1')],
    ['example.org:99', at('example.org', 99, 'example.org:99', 'example.org')],
  ])('step 1 and 2: %s is where it says, and nobody is asked', async (server, expected) => {
    const network = discover({ wellKnown: { 'example.org': delegation('elsewhere.example') } })
    expect(await network.destinations(server)).toEqual([expected])
    expect(network.asked).toEqual([])
  })

  test.each([
    ['3.1', '1.2.3.4', at('1.2.3.4', 8448, '1.2.3.4', '1.2.3.4')],
    ['3.1', '[2001:db8::1]:99', at('2001:db8::1', 99, '[2001:db8::1]:99', '2001:db8::1')],
    ['3.2', 'matrix.example.net:443', at('matrix.example.net', 443, 'matrix.example.net:443', 'matrix.example.net')],
    ['3.5', 'matrix.example.net', at('matrix.example.net', 8448, 'matrix.example.net', 'matrix.example.net')],
  ])('step %s: a delegation to %s is followed, and shows its own certificate', async (_step, delegated, expected) => {
    const network = discover({ wellKnown: { 'example.org': delegation(delegated) } })
    expect(await network.destinations('example.org')).toEqual([expected])
  })

  test.each(['_matrix-fed._tcp', '_matrix._tcp'])(
    'steps 3.3 and 3.4: a delegated name is looked up by %s, with the certificate of the delegated name',
    async (service) => {
      const network = discover({
        wellKnown: { 'example.org': delegation('matrix.example.net') },
        srv: { [`${service}.matrix.example.net`]: [record('host.example.com', 4443)] },
      })
      expect(await network.destinations('example.org')).toEqual([at('host.example.com', 4443, 'matrix.example.net', 'matrix.example.net')])
    },
  )

  test.each(['_matrix-fed._tcp', '_matrix._tcp'])(
    'steps 4 and 5: without a delegation SRV records of %s are followed, with the certificate of the name',
    async (service) => {
      const network = discover({ srv: { [`${service}.example.org`]: [record('host.example.com', 4443)] } })
      expect(await network.destinations('example.org')).toEqual([at('host.example.com', 4443, 'example.org', 'example.org')])
    },
  )

  test('step 6: without anything it is port 8448', async () => {
    expect(await discover({}).destinations('example.org')).toEqual([at('example.org', 8448, 'example.org', 'example.org')])
  })

  test('the registered service name is preferred to the deprecated one, and the delegation to both', async () => {
    const srv = { '_matrix-fed._tcp.example.org': [record('new.example', 1)], '_matrix._tcp.example.org': [record('old.example', 2)] }
    expect((await discover({ srv }).destinations('example.org'))[0]?.host).toBe('new.example')
    const delegated = discover({ srv, wellKnown: { 'example.org': delegation('matrix.example.net:1') } })
    expect((await delegated.destinations('example.org'))[0]?.host).toBe('matrix.example.net')
    expect(delegated.asked).toEqual(['https://example.org'])
  })

  test('SRV targets are tried by priority, then weight', async () => {
    const records = [record('c', 1, 20, 100), record('b', 1, 10, 1), record('a', 1, 10, 5)]
    const found = await discover({ srv: { '_matrix-fed._tcp.example.org': records } }).destinations('example.org')
    expect(found.map(({ host }) => host)).toEqual(['a', 'b', 'c'])
  })

  test.each<[string, WellKnownResponse]>([
    ['another status', { status: 404, headers: {}, body: '{"m.server":"a.example"}' }],
    ['no JSON', { status: 200, headers: {}, body: '<html>' }],
    ['no object', { status: 200, headers: {}, body: '["a.example"]' }],
    ['no m.server', { status: 200, headers: {}, body: '{}' }],
    ['a number', delegation(1)],
    ['no server name', delegation('https://a.example')],
  ])('a well-known document with %s counts for nothing', async (_what, response) => {
    const network = discover({ wellKnown: { 'example.org': response } })
    expect((await network.destinations('example.org'))[0]?.host).toBe('example.org')
  })

  test('names whose place is known are not asked for, delegated ones neither', async () => {
    const network = discover({ known: ['hs2', 'matrix.example.net'], wellKnown: { 'example.org': delegation('matrix.example.net') } })
    expect(await network.destinations('hs2')).toEqual([at('hs2', 8448, 'hs2', 'hs2')])
    expect(await network.destinations('hs2:4321')).toEqual([at('hs2', 4321, 'hs2:4321', 'hs2')])
    expect(network.asked).toEqual([])
    expect(await network.destinations('example.org')).toEqual([at('matrix.example.net', 8448, 'matrix.example.net', 'matrix.example.net')])
    expect(network.asked).toEqual(['https://example.org'])
  })

  test('what is no server name is refused', async () => {
    for (const name of ['', 'a b', 'a:b', 'http://a', 'a/b'])
      await expect(discover({}).destinations(name)).rejects.toThrow('not a server name')
  })
})

describe('delegations are remembered', () => {
  /** How long it takes until the document is asked for again. */
  const life = async (response: WellKnownResponse | undefined, stepMs: number): Promise<number> => {
    const network = discover(response === undefined ? {} : { wellKnown: { 'example.org': response } })
    await network.destinations('example.org')
    const start = network.now()
    const count = () => network.asked.filter((asked) => asked.startsWith('https')).length
    while (count() === 1) {
      network.wait(stepMs)
      await network.destinations('example.org')
    }
    return network.now() - start
  }

  test('for a day unless the server says otherwise, never beyond two days', async () => {
    expect(await life(delegation('a.example'), hourMs)).toBe(24 * hourMs)
    expect(await life(delegation('a.example', { 'cache-control': 'public, max-age=7200' }), hourMs)).toBe(2 * hourMs)
    expect(await life(delegation('a.example', { 'cache-control': 'max-age=99999999' }), hourMs)).toBe(48 * hourMs)
    expect(await life(delegation('a.example', { 'cache-control': 'no-store' }), minuteMs)).toBe(5 * minuteMs)
    expect(await life(delegation('a.example', { expires: new Date(1_700_000_000_000 + 3 * hourMs).toUTCString() }), hourMs)).toBe(
      3 * hourMs,
    )
  })

  test('failures for a minute first, then twice as long each time up to an hour', async () => {
    const network = discover({})
    const pauses: number[] = []
    let last = network.now()
    for (let asked = 0; pauses.length < 10; network.wait(minuteMs)) {
      await network.destinations('example.org')
      const count = network.asked.filter((one) => one.startsWith('https')).length
      if (count === asked) continue
      asked = count
      pauses.push((network.now() - last) / minuteMs)
      last = network.now()
    }
    expect(pauses).toEqual([0, 1, 2, 4, 8, 16, 32, 60, 60, 60])
  })

  test('and asked for once however many requests wait for them', async () => {
    const network = discover({})
    await Promise.all(Array.from({ length: 20 }, () => network.destinations('example.org')))
    expect(network.asked.filter((asked) => asked.startsWith('https'))).toHaveLength(1)
  })

  test('whatever the document holds, discovery ends with a place to try', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), fc.dictionary(fc.constantFrom('cache-control', 'expires'), fc.string()), async (value, headers) => {
        const network = discover({
          wellKnown: { 'example.org': { status: 200, headers, body: JSON.stringify({ 'm.server': value }) ?? '' } },
        })
        expect((await network.destinations('example.org')).length).toBeGreaterThan(0)
      }),
    )
  })
})
