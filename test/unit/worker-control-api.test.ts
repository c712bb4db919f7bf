import { describe, expect, it } from 'vitest'
import { answerControl, type Controlled } from '../../worker/control-api.ts'
import type { Instance } from '../../worker/instance.ts'

/** An instance in memory that may be controlled, and how its control API answers. */
function controllable() {
  let instance: Instance | undefined
  const controlled: Controlled = {
    get state() {
      return instance?.identity ? 'running' : 'no-identity'
    },
    get instance() {
      return instance
    },
    surroundings: async () => ({
      epoch: 1,
      storage: { usage_bytes: undefined, quota_bytes: undefined, media_bytes: 0, persisted: false },
      connections: undefined,
      queues: [],
      joins: [],
    }),
    adopt: async (identity) => {
      instance = { identity, settings: {}, isSuperseded: false, holdsData: false }
    },
    configure: async () => undefined,
  }
  return async (method: string, path: string, body?: object) => {
    const request = new Request(`http://localhost/_yurt/${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) })
    const answer = await answerControl(request, controlled)
    const text = await answer.text()
    return { status: answer.status, text, json: JSON.parse(text) }
  }
}

describe('a recovery key', () => {
  it('is told when the identity is made, and never again', async () => {
    const ask = controllable()
    const made = await ask('POST', 'identity', {})
    const { recovery_key: key } = made.json
    expect(key).toEqual(expect.any(String))
    for (const path of ['status', 'recovery', 'settings']) {
      const { status, text } = await ask('GET', path)
      expect(status).toBe(200)
      expect(text).not.toContain(key)
      expect(text).not.toContain('recovery_key')
    }
    expect(await ask('POST', 'identity', {})).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } })
  })

  it('is checked: another one, or a part of it, brings nothing back', async () => {
    const made = (await controllable()('POST', 'identity', {})).json
    const ask = controllable()
    const restore = (recoveryKey: string) => ask('POST', 'restore', { file: made.recovery_file, recovery_key: recoveryKey })
    const other = (await controllable()('POST', 'identity', {})).json.recovery_key
    for (const wrong of [other, made.recovery_key.slice(0, -5), '']) expect((await restore(wrong)).json.errcode).toBe('M_BAD_JSON')
    expect((await ask('GET', 'status')).json).toMatchObject({ state: 'no-identity' })
    expect((await restore(made.recovery_key)).json).toMatchObject({ server_name: made.server_name })
    expect((await ask('GET', 'status')).json).toMatchObject({ state: 'running', server_name: made.server_name })
  })
})
