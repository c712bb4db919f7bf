import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AddressRefused, guardedAddresses, isPublicAddress } from '../../relay/address-guard.ts'

describe('the guard against private addresses', () => {
  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    'fe80::1',
    'fc00::1',
    'fd12:3456::1',
    'ff02::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    'localhost',
    '',
    '127.1',
    '0x7f.0.0.1',
  ])('takes %s for none of the public internet', (address) => expect(isPublicAddress(address)).toBe(false))

  test.each(['1.1.1.1', '172.15.255.255', '172.32.0.1', '223.255.255.255', '2606:4700::1111', '2a00::1'])(
    'takes %s for public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  )

  test('holds all of the private ranges, whatever the rest of the address is', () => {
    const byte = fc.nat(255)
    fc.assert(
      fc.property(byte, byte, byte, (b, c, d) => {
        for (const address of [
          `10.${b}.${c}.${d}`,
          `127.${b}.${c}.${d}`,
          `192.168.${c}.${d}`,
          `169.254.${c}.${d}`,
          `172.${16 + (b % 16)}.${c}.${d}`,
        ])
          expect(isPublicAddress(address)).toBe(false)
      }),
    )
  })

  test('refuses names that lead to this machine, unless it is allowed', async () => {
    await expect(guardedAddresses('localhost', false)).rejects.toThrow(AddressRefused)
    await expect(guardedAddresses('127.0.0.1', false)).rejects.toThrow(AddressRefused)
    expect((await guardedAddresses('localhost', true)).map(({ address }) => isPublicAddress(address))).not.toContain(true)
    expect(await guardedAddresses('1.1.1.1', false)).toEqual([{ address: '1.1.1.1', family: 4 }])
  })
})
