import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { expect, test } from './support/test.ts'

const neutral = [1, ...new Array<number>(31).fill(0)]

function rawKey(publicKey: KeyObject): number[] {
  return [...publicKey.export({ format: 'der', type: 'spki' })].slice(-32)
}

test('Chromium’s WebCrypto, here and in a thread of its own, and the verifier in script give the right verdicts, and the same', async ({
  page,
  site,
}) => {
  const good = Array.from({ length: 20 }, (_, n) => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const message = Buffer.alloc(n * 50, n)
    return { message: [...message], signature: [...sign(null, message, privateKey)], publicKey: rawKey(publicKey) }
  })
  const bad = good.flatMap(({ message, signature, publicKey }) => [
    { message: [...message, 0], signature, publicKey },
    { message, signature: signature.with(5, (signature[5] ?? 0) ^ 1), publicKey },
    { message, signature: signature.with(40, (signature[40] ?? 0) ^ 1), publicKey },
    { message, signature: [...neutral, ...new Array<number>(32).fill(0)], publicKey: neutral },
    { message, signature: signature.slice(1), publicKey },
    { message, signature, publicKey: publicKey.slice(1) },
  ])
  await page.goto(`${site.url}/contract.html`)
  const { webCrypto, inScript, inThread } = await page.evaluate((batch) => window.verdicts(batch), [...good, ...bad])
  const expected = [...good.map(() => true), ...bad.map(() => false)]
  expect(webCrypto).toEqual(expected)
  expect(inScript).toEqual(expected)
  expect(inThread).toEqual(expected)
})
