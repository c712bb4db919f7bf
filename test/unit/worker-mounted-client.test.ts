import { afterEach, describe, expect, test, vi } from 'vitest'
import { hideHomeserver, LeftRequests } from '../../worker/mounted-client.ts'

afterEach(() => vi.unstubAllGlobals())

describe('media that a page asks for without a token', () => {
  const path = '/_matrix/client/v1/media/download/a.example/abc'
  /** What a service worker has of an event. */
  function fetchEvent(path: string, headers: Record<string, string> = {}) {
    const answers: unknown[] = []
    const event = { request: new Request(`http://localhost${path}`, { headers }), respondWith: (answer: unknown) => answers.push(answer) }
    return { event: event as unknown as FetchEvent, answers }
  }

  test('is left to the service worker of a mounted client, and nobody answers after it', () => {
    const left = new LeftRequests()
    const { event, answers } = fetchEvent(path)
    expect(left.take(event)).toBe(true)
    const answer = new Response('a picture')
    event.respondWith(answer)
    expect(answers).toEqual([answer])
    expect(left.isUnanswered(event)).toBe(false)
  })

  test('is ours again where that service worker has forgotten for whom the page speaks', () => {
    const left = new LeftRequests()
    const { event } = fetchEvent(path)
    left.take(event)
    expect(left.isUnanswered(event)).toBe(true)
  })

  test('is told from what has a token, and from what is no media', () => {
    const left = new LeftRequests()
    for (const { event } of [fetchEvent(path, { authorization: 'Bearer a' }), fetchEvent('/_matrix/client/v3/sync')]) {
      expect(left.take(event)).toBe(false)
      expect(left.isUnanswered(event)).toBe(false)
    }
  })
})

describe('a service worker that cannot be updated because the server of the pages is gone', () => {
  function page() {
    class Registration {
      active: object | null = {}
      update(): Promise<unknown> {
        return Promise.reject(new TypeError('Failed to update a ServiceWorker'))
      }
    }
    vi.stubGlobal('indexedDB', { databases: async () => [], deleteDatabase: () => undefined })
    vi.stubGlobal('caches', { keys: async () => [] })
    vi.stubGlobal('Storage', class {})
    vi.stubGlobal('ServiceWorkerRegistration', Registration)
    hideHomeserver()
    return new Registration()
  }

  test('is the newest there is, for a client that is mounted', async () => {
    const registration = page()
    expect(await registration.update()).toBe(registration)
  })

  test('fails where there is none yet', async () => {
    const registration = page()
    registration.active = null
    await expect(registration.update()).rejects.toThrow('Failed to update')
  })
})
