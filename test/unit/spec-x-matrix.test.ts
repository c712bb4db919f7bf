import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { signingBytes } from '../../src/spec/signing.ts'
import { formatXMatrix, parseXMatrix, requestSigningObject } from '../../src/spec/x-matrix.ts'

const signature = new Uint8Array(64).fill(255)
const sig = `${'/'.repeat(85)}w`
const full = { origin: 'hs1:80', destination: 'hs2', keyId: 'ed25519:key1', signature }

describe('the X-Matrix header', () => {
  test('of ours is written as older servers understand it', () => {
    expect(formatXMatrix(full)).toBe(`X-Matrix origin="hs1:80",destination="hs2",key="ed25519:key1",sig="${sig}"`)
  })

  test.each([
    ['all in quotes', `X-Matrix origin="hs1:80",destination="hs2",key="ed25519:key1",sig="${sig}"`],
    ['with bare values, colons included', `X-Matrix origin=hs1:80,destination=hs2,key=ed25519:key1,sig=${sig}`],
    ['in another order and case', `x-matrix SIG="${sig}",Key="ed25519:key1",DESTINATION=hs2,Origin="hs1:80"`],
    ['with white space around commas', `X-Matrix   origin="hs1:80" ,\t destination="hs2",  key="ed25519:key1"\t,sig="${sig}"  `],
    ['with escaped characters', `X-Matrix origin="h\\s1\\:80",destination="hs2",key="ed25519:key1",sig="${sig}"`],
    ['with unknown parameters', `X-Matrix a=b,origin="hs1:80",destination="hs2",x="a\\"b,c",key="ed25519:key1",sig="${sig}"`],
    ['with padded base64', `X-Matrix origin="hs1:80",destination="hs2",key="ed25519:key1",sig="${sig}=="`],
    ['with the signature under its long name', `X-Matrix origin="hs1:80",destination="hs2",key="ed25519:key1",signature="${sig}"`],
    ['with empty list elements', `X-Matrix ,origin="hs1:80",,destination="hs2",key="ed25519:key1",sig="${sig}",`],
  ])('is read %s', (_how, header) => {
    expect(parseXMatrix(header)).toEqual(full)
  })

  test('is read without a destination, as older servers send it', () => {
    expect(parseXMatrix(`X-Matrix origin="[::1]:8448",key="ed25519:a",sig="${sig}"`)).toEqual({
      origin: '[::1]:8448',
      destination: undefined,
      keyId: 'ed25519:a',
      signature,
    })
  })

  test.each([
    '',
    'Bearer abc',
    'X-Matrix',
    'X-Matrix ',
    `X-Matrixorigin=hs1,key="ed25519:a",sig="${sig}"`,
    `X-Matrix key="ed25519:a",sig="${sig}"`,
    `X-Matrix origin=hs1,sig="${sig}"`,
    'X-Matrix origin=hs1,key="ed25519:a"',
    'X-Matrix origin=hs1,key="ed25519:a",sig="AAAA"',
    'X-Matrix origin=hs1,key="ed25519:a",sig="!"',
    `X-Matrix origin=hs1,key="rsa:a",sig="${sig}"`,
    `X-Matrix origin="h s",key="ed25519:a",sig="${sig}"`,
    `X-Matrix origin=hs1,destination="",key="ed25519:a",sig="${sig}"`,
    `X-Matrix origin=hs1,origin=hs2,key="ed25519:a",sig="${sig}"`,
    `X-Matrix origin=hs1,key="ed25519:a",sig="${sig}`,
    `X-Matrix origin=hs1 key="ed25519:a",sig="${sig}"`,
    `X-Matrix origin=hs1,key="ed25519:a",sig="${sig}"x`,
    `X-Matrix origin=hs1,key="ed25519:a",sig="${sig}",pad="${'x'.repeat(5000)}"`,
  ])('is refused as %j', (header) => {
    expect(parseXMatrix(header)).toBeUndefined()
  })

  test('comes back as it was written, and nonsense never throws', () => {
    const serverName = fc.constantFrom('hs1', 'a.example:8448', '[::1]', '10.0.0.1:1')
    const keyId = fc.stringMatching(/^[!-~]{1,20}$/).map((version) => `ed25519:${version}`)
    const bytes = fc.uint8Array({ minLength: 64, maxLength: 64 }).map((array) => new Uint8Array(array))
    fc.assert(
      fc.property(fc.record({ origin: serverName, destination: serverName, keyId, signature: bytes }), fc.string(), (header, noise) => {
        expect(parseXMatrix(formatXMatrix(header))).toEqual(header)
        expect(parseXMatrix(`X-Matrix ${noise}`)).toBeUndefined()
      }),
    )
  })
})

describe('the object that a request signs', () => {
  const request = { method: 'GET', uri: '/_matrix/federation/v1/x?y=1', origin: 'hs1', destination: 'hs2' }

  test('has the body, if there is one', () => {
    expect(requestSigningObject(request)).toEqual(request)
    const withBody = requestSigningObject({ ...request, method: 'PUT', content: { b: 1, a: [] } })
    expect(new TextDecoder().decode(signingBytes(withBody))).toBe(
      '{"content":{"a":[],"b":1},"destination":"hs2","method":"PUT","origin":"hs1","uri":"/_matrix/federation/v1/x?y=1"}',
    )
  })
})
