import { describe, expect, test } from 'vitest'
import { RoomStore } from '../../src/rooms/room-store.ts'
import { encodeBase64 } from '../../src/spec/base64.ts'
import type { EventId, Pdu, RoomId } from '../../src/spec/event.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { eventSigningBytes, signaturesOf } from '../../src/spec/signing.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { within } from './federation-party.ts'
import { type Home, homeWorld, RogueServer } from './rogue-server.ts'

const policyName = 'policy.example'

/** Signs events by the key of a policy server, which is another one than that of its server. */
function policySignature(pdu: Pdu, rules: RogueServer['rules'], secret = 'policy'): JsonObject {
  const signature = nodeSigner(policyName, secret).sign(eventSigningBytes(pdu, rules))
  if (signature instanceof Promise) throw new Error('the signer is synchronous')
  return { [policyName]: { 'ed25519:policy_server': encodeBase64(signature) } }
}

/** A policy server that signs whatever does not speak of spam; what it was asked to sign. */
class PolicyServer {
  readonly server: RogueServer
  readonly shown: JsonObject[] = []
  judge: (pdu: JsonObject) => JsonObject | undefined = (pdu) =>
    JSON.stringify(pdu.content).includes('spam') ? undefined : policySignature(pdu, this.server.rules)

  constructor(home: Home) {
    this.server = new RogueServer(home, policyName)
    this.server.script = ({ path, body }) => {
      if (path !== '/_matrix/policy/v1/sign') return undefined
      this.shown.push(body)
      return this.judge(body)
    }
  }
}

/** A room with a user of a policy server, which it uses. */
async function protectedRoom() {
  const home = await homeWorld()
  const roomId = await home.room()
  const policy = new PolicyServer(home)
  await policy.server.join(roomId)
  const setPolicy = (content: JsonObject) => home.setState(roomId, 'm.room.policy', content)
  await setPolicy({ via: policyName, public_keys: { ed25519: encodeBase64(nodeSigner(policyName, 'policy').publicKey) } })
  return { home, roomId, policy, setPolicy }
}

function send(home: Home, roomId: RoomId, body: string) {
  const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${encodeURIComponent(body)}`
  return within(home, 120_000, home.alice.ask('PUT', path, { msgtype: 'm.text', body }))
}

async function stored(home: Home, eventId: EventId) {
  return (await new RoomStore(home.server.disk.inspect()).event(eventId))?.stored
}

const hasPolicySignature = (pdu: JsonObject | undefined) =>
  signaturesOf(pdu ?? {}, policyName).some(({ keyId }) => keyId.endsWith('policy_server'))

describe('what users send in a room with a policy server', () => {
  test('goes out with its signature beside ours, state and invitations too', async () => {
    const { home, roomId, policy } = await protectedRoom()
    const message = await home.say(roomId, 'hello')
    const name = String((await home.setState(roomId, 'm.room.name', { name: 'A name' })).event_id)
    const guest = new RogueServer(home, 'guest.example')
    guest.script = ({ path, body }) => (path.includes('/invite/') && isObject(body.event) ? { event: body.event } : undefined)
    await home.must('POST', `/v3/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: guest.userId })
    expect(policy.shown.map(({ type }) => type)).toEqual(['m.room.message', 'm.room.name', 'm.room.member'])
    for (const eventId of [message, name]) {
      const pdu = (await stored(home, eventId))?.pdu
      expect(hasPolicySignature(pdu)).toBe(true)
      expect(signaturesOf(pdu ?? {}, 'home.example')).toHaveLength(1)
    }
    const invite = guest.asked.find(({ path }) => path.includes('/invite/'))?.body.event
    expect(hasPolicySignature(isObject(invite) ? invite : {})).toBe(true)
  })

  test('is signed too where a room is closed because another replaces it', async () => {
    const { home, roomId, policy } = await protectedRoom()
    await home.must('POST', `/v3/rooms/${encodeURIComponent(roomId)}/upgrade`, { new_version: '12' })
    const closing = ['m.room.tombstone', 'm.room.power_levels']
    expect(policy.shown.map(({ type }) => type)).toEqual(closing)
    for (const type of closing) {
      const kept = await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/state/${type}/?format=event`)
      expect(hasPolicySignature((await stored(home, String(kept.event_id)))?.pdu)).toBe(true)
    }
  })

  test('is refused with its error where it refuses, and nobody sees it', async () => {
    const { home, roomId, policy } = await protectedRoom()
    const answer = await send(home, roomId, 'spam')
    expect(answer).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    expect(await home.history(roomId)).toEqual([])
    policy.judge = (pdu) => policySignature(pdu, policy.server.rules, 'another key')
    expect((await send(home, roomId, 'signed by nobody known'))?.body.errcode).toBe('M_FORBIDDEN')
    home.network.detach(policyName)
    expect((await send(home, roomId, 'it is away'))?.status).toBe(504)
    expect(await home.history(roomId)).toEqual([])
  })

  test('needs nothing once the policy is taken back, for which nobody is asked', async () => {
    const { home, roomId, policy, setPolicy } = await protectedRoom()
    home.network.detach(policyName)
    await setPolicy({})
    await home.say(roomId, 'free')
    expect(policy.shown).toEqual([])
  })

  test('is not shown to a server that the policy names and that has no user in the room', async () => {
    const { home, roomId, setPolicy } = await protectedRoom()
    const stranger = new RogueServer(home, 'stranger.example')
    await setPolicy({ via: stranger.name, public_keys: { ed25519: 'AAAA' } })
    await home.say(roomId, 'hello')
    expect(stranger.asked).toEqual([])
  })

  test('is one event, however often its request is repeated', async () => {
    const { home, roomId } = await protectedRoom()
    const answers = await Promise.all([send(home, roomId, 'once'), send(home, roomId, 'once')])
    expect(new Set(answers.map((answer) => answer?.body.event_id)).size).toBe(1)
    expect(await home.history(roomId)).toEqual(['once'])
  })
})

describe('what comes from other servers into a room with a policy server', () => {
  async function withOther() {
    const at = await protectedRoom()
    const other = new RogueServer(at.home, 'other.example')
    await other.join(at.roomId)
    at.policy.shown.splice(0)
    return { ...at, other }
  }

  test('is shown if it brings a valid signature, without asking', async () => {
    const { home, roomId, policy, other } = await withOther()
    const pdu = await other.say('signed')
    const signatures = isObject(pdu.signatures) ? pdu.signatures : {}
    await other.send({ ...pdu, signatures: { ...signatures, ...policySignature(pdu, other.rules) } })
    await home.settle()
    expect(await home.history(roomId)).toEqual(['signed'])
    expect(policy.shown).toEqual([])
  })

  test('is shown to the policy server if it brings none, or a wrong one, and keeps what that gives', async () => {
    const { home, roomId, policy, other } = await withOther()
    const [bare, wrong] = [await other.say('bare'), await other.say('wrong')]
    const signatures = isObject(wrong.signatures) ? wrong.signatures : {}
    await other.send(bare, { ...wrong, signatures: { ...signatures, ...policySignature(wrong, other.rules, 'another key') } })
    await home.settle()
    expect(await home.history(roomId)).toEqual(['wrong', 'bare'])
    expect(policy.shown).toHaveLength(2)
    expect(hasPolicySignature((await stored(home, other.idOf(bare)))?.pdu)).toBe(true)
  })

  test('is soft-failed if the policy server refuses it or does not answer', async () => {
    const { home, roomId, other } = await withOther()
    const refused = await other.say('spam')
    await other.send(refused)
    await home.settle()
    home.network.detach(policyName)
    const unheard = await other.say('unheard')
    await other.send(unheard)
    await home.settle()
    for (const pdu of [refused, unheard]) expect((await stored(home, other.idOf(pdu)))?.status).toBe('soft-failed')
    expect(await home.history(roomId)).toEqual([])
  })

  test('and is forbidden by the rules is not shown to the policy server', async () => {
    const { home, policy, other } = await withOther()
    const pdu = await other.make({ type: 'm.room.name', stateKey: '', content: { name: 'taken over' }, aside: true })
    await other.send(pdu)
    await home.settle()
    expect((await stored(home, other.idOf(pdu)))?.status).toBe('rejected')
    expect(policy.shown).toEqual([])
  })

  test('is no join through us that the policy server refuses', async () => {
    const { home, roomId, policy } = await protectedRoom()
    policy.judge = () => undefined
    await expect(new RogueServer(home, 'unwanted.example').join(roomId)).rejects.toThrow()
    const { joined } = await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)
    expect(Object.keys(isObject(joined) ? joined : {})).not.toContain('@mallory:unwanted.example')
  })
})
