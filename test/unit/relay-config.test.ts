import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError, checkConfig, readConfig } from '../../relay/config.ts'
import { help } from '../../relay/help.ts'
import { labelOfPublicKey } from '../../src/spec/self-certifying.ts'

const directory = mkdtempSync(join(tmpdir(), 'yurt-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

function fileWith(text: string): string {
  const file = join(directory, 'relay.json')
  writeFileSync(file, text)
  return file
}

describe('the relay configuration', () => {
  test('may be empty: it is then for this machine alone, and asks for a token', () => {
    const config = checkConfig({}, 'test')
    expect(config).toMatchObject({
      libp2p: { host: '127.0.0.1', port: 8421 },
      federation: { host: '127.0.0.1', port: 8422 },
      admission: { mode: 'token' },
      allowPrivateAddresses: false,
    })
  })

  test.each<[string, unknown, RegExp]>([
    ['an unknown option', { domian: 'a.example' }, /domian: there is no such option/],
    ['an unknown option within', { limits: { connectoins: 1 } }, /limits\.connectoins: there is no such option/],
    ['a port that is none', { libp2p: { port: 70_000 } }, /libp2p\.port: .*65535/],
    ['a port that is text', { federation: { port: '8448' } }, /federation\.port: must be a number/],
    ['a mode that is none', { admission: { mode: 'closed' } }, /admission\.mode: must be "token", "allowlist" or "open"/],
    ['a label that is none', { admission: { labels: ['k51abc'] } }, /admission\.labels\.0: must be a label/],
    ['a domain with a port', { domain: 'relay.example:443' }, /domain: must be a domain name/],
    ['a limit of nothing', { limits: { reservations: 0 } }, /limits\.reservations: must be 1 or more/],
    ['a certificate without a key', { federation: { tls: { certFile: 'a.pem' } } }, /federation\.tls\.keyFile: is missing/],
    ['an address that is none', { resolve: { hs1: 'http://127.0.0.1' } }, /resolve\.hs1: must be an address/],
    ['no object', [], /the configuration: is not an object/],
    ['plain HTTP to the world', { domain: 'a.example', federation: { host: '0.0.0.0' } }, /federation: without tls it listens on loopback/],
  ])('names what is wrong with %s', (_what, value, message) => {
    expect(() => checkConfig(value, 'relay.json')).toThrow(ConfigError)
    expect(() => checkConfig(value, 'relay.json')).toThrow(message)
    expect(() => checkConfig(value, 'relay.json')).toThrow('Mistakes in relay.json')
  })

  test('names every mistake at once', () => {
    expect(() => checkConfig({ libp2p: { port: -1 }, logLevel: 'loud' }, 'x')).toThrow(/libp2p\.port[\s\S]*logLevel/)
  })

  test('says which file is missing or no JSON', () => {
    expect(() => readConfig(join(directory, 'none.json'), {})).toThrow(/none\.json cannot be read/)
    expect(() => readConfig(fileWith('{'), {})).toThrow(/relay\.json cannot be read/)
  })

  test('is read from the file, with the environment above it', () => {
    const label = labelOfPublicKey(new Uint8Array(32).fill(1))
    const file = fileWith(JSON.stringify({ domain: 'relay.example', libp2p: { port: 1 }, names: { 'example.org': label } }))
    const config = readConfig(file, {
      RELAY_PORT: '2',
      RELAY_TOKEN: 'secret',
      RELAY_DATA_DIR: '/tmp/x',
      RELAY_FEDERATION_PORT: '',
      PORT: '3',
    })
    expect(config).toMatchObject({
      domain: 'relay.example',
      dataDir: '/tmp/x',
      libp2p: { port: 2 },
      federation: { port: 8422 },
      admission: { tokens: ['secret'] },
    })
    expect(config.names).toEqual({ 'example.org': label })
    expect(() => readConfig(file, { RELAY_PORT: 'two' })).toThrow(/libp2p\.port: must be a number/)
  })

  test('is documented by --help, every option with its default', () => {
    const paths = (value: object, prefix = ''): [string, unknown][] =>
      Object.entries(value).flatMap(([key, entry]) =>
        typeof entry === 'object' && !Array.isArray(entry) && Object.keys(entry).length > 0
          ? paths(entry, `${prefix}${key}.`)
          : [[prefix + key, entry]],
      )
    for (const [path, value] of paths(checkConfig({ metrics: {} }, 'test'))) {
      const lines = help.split('\n').filter((line) => line.trim().startsWith(`${path} `))
      expect(lines, path).toHaveLength(1)
      if (typeof value === 'number') expect(help.slice(help.indexOf(`  ${path} `)), path).toMatch(new RegExp(`^[^\\[]*\\[${value}\\]`))
    }
    for (const path of ['domain', 'libp2p.tls', 'federation.tls', 'federation.publicPort']) expect(help).toContain(`  ${path} `)
  })
})
