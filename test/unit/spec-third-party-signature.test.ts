import { expect, test } from 'vitest'
import { encodeBase64, encodeUrlSafeBase64 } from '../../src/spec/base64.ts'
import { signingBytes, withSignature } from '../../src/spec/signing.ts'
import { thirdPartySigned } from '../../src/spec/third-party-signature.ts'
import { nodeSigner } from '../simulation/node-signer.ts'

const signer = nodeSigner('id.example')
const invite = { mxid: '@bob:b.example', token: 'abc' }

async function signed() {
  return withSignature(invite, 'id.example', { keyId: 'ed25519:0', signature: await signer.sign(signingBytes(invite)) })
}

test('a third-party invite counts when the key that the room knows has signed it', async () => {
  expect(thirdPartySigned(await signed(), [encodeBase64(signer.publicKey)])).toBe(true)
  expect(thirdPartySigned(await signed(), [encodeBase64(nodeSigner('other').publicKey), encodeBase64(signer.publicKey)])).toBe(true)
})

test('a third-party invite counts for nothing by another key, changed, unsigned, or by nonsense', async () => {
  const key = encodeBase64(signer.publicKey)
  expect(thirdPartySigned(await signed(), [encodeBase64(nodeSigner('other').publicKey)])).toBe(false)
  expect(thirdPartySigned({ ...(await signed()), mxid: '@eve:b.example' }, [key])).toBe(false)
  expect(thirdPartySigned(invite, [key])).toBe(false)
  expect(thirdPartySigned(await signed(), ['', 'AAAA', encodeUrlSafeBase64(new Uint8Array(32).fill(255))])).toBe(false)
})
