import { expect, test } from 'vitest'
import { settingsOf } from '../../worker/stored-settings.ts'

const udp = { urls: 'turn:turn.example:3478?transport=udp', username: 'caller', credential: 'secret' }
const tls = { ...udp, urls: 'turns:turn.example:443?transport=tcp' }

test('clients are told of the TURN servers of our own connections, with what opens them', () => {
  const stun = { urls: 'stun:stun.example' }
  const others = { urls: 'turn:other.example', username: 'caller', credential: 'another secret' }
  expect(settingsOf({ ice_servers: [stun, udp, tls, others] }, 0).turn).toEqual({
    uris: [udp.urls, tls.urls],
    username: 'caller',
    password: 'secret',
  })
})

test('and of none where there is none, or it asks for nothing that could be told', () => {
  expect(settingsOf({}, 0)).not.toHaveProperty('turn')
  expect(settingsOf({ ice_servers: [{ urls: 'stun:stun.example' }] }, 0)).not.toHaveProperty('turn')
  expect(settingsOf({ ice_servers: [{ urls: 'turn:open.example' }] }, 0)).not.toHaveProperty('turn')
})
