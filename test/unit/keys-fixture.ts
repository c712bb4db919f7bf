import { encodeBase64 } from '../../src/spec/base64.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { signingBytes, withSignature } from '../../src/spec/signing.ts'
import { nodeSigner } from '../simulation/node-signer.ts'

/** `value` as another server would send it. */
export function json(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value))
}

/** The public part of the key that `secret` decides, in base64. */
export function publicKey(secret: string): string {
  return encodeBase64(nodeSigner('', secret).publicKey)
}

/** `object` signed by `userId` with the key that `secret` decides. */
export async function signed(object: JsonObject, by: { userId: string; keyId: string; secret: string }): Promise<JsonObject> {
  const signature = await nodeSigner('', by.secret).sign(signingBytes(object))
  return withSignature(object, by.userId, { keyId: by.keyId, signature })
}

/** A device's identity keys, signed by itself. */
export function deviceKeysOf(userId: string, deviceId: string, secret = deviceId): Promise<JsonObject> {
  const keys = {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2'],
    keys: { [`ed25519:${deviceId}`]: publicKey(secret), [`curve25519:${deviceId}`]: 'curve' },
  }
  return signed(keys, { userId, keyId: `ed25519:${deviceId}`, secret })
}

/** A user's cross-signing keys, all made of `secret`. */
export async function crossSigningKeysOf(userId: string, secret: string) {
  const master = `${secret} master`
  const key = (usage: string): JsonObject => {
    const text = publicKey(`${secret} ${usage}`)
    return { user_id: userId, usage: [usage], keys: { [`ed25519:${text}`]: text } }
  }
  const byMaster = { userId, keyId: `ed25519:${publicKey(master)}`, secret: master }
  return {
    master_key: key('master'),
    self_signing_key: await signed(key('self_signing'), byMaster),
    user_signing_key: await signed(key('user_signing'), byMaster),
  }
}
