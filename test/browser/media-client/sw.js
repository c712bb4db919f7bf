// Authenticates media in the two ways of the clients that people mount.

self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()))
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

/** Whom each page speaks for. It is gone when the browser stops this worker. */
const sessions = new Map()
const questions = new Map()

self.addEventListener('message', ({ data, source }) => {
  if (data?.type === 'setSession') sessions.set(source.id, data.accessToken)
  questions.get(data?.responseKey)?.(data)
})

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  // As Cinny: the page has said for whom it speaks.
  if (url.pathname.startsWith('/_matrix/client/v1/media/')) {
    const token = sessions.get(event.clientId)
    if (token) event.respondWith(fetch(url, authorized(token)))
  }
  // As Element Web: unauthenticated paths, the page is asked, and the token is in a database.
  if (/^\/_matrix\/media\/v3\/(download|thumbnail)\//.test(url.pathname)) event.respondWith(answerOldPath(url, event.clientId))
})

async function answerOldPath(url, clientId) {
  const client = await self.clients.get(clientId)
  const user = await ask(client)
  const token = await storedToken(user?.deviceId)
  const { versions } = await (await fetch(`${url.origin}/_matrix/client/versions`, authorized(token))).json()
  if (token && versions.includes('v1.11')) url.pathname = url.pathname.replace('/media/v3/', '/client/v1/media/')
  return fetch(url, authorized(token))
}

function ask(client) {
  const responseKey = Math.random().toString(36)
  return new Promise((resolve) => {
    setTimeout(resolve, 1000)
    questions.set(responseKey, resolve)
    client.postMessage({ responseKey, type: 'userinfo' })
  })
}

function storedToken(deviceId) {
  if (!deviceId) return undefined
  return new Promise((resolve) => {
    const opening = indexedDB.open('client', 1)
    opening.onsuccess = () => {
      const asked = opening.result.transaction('tokens').objectStore('tokens').get(deviceId)
      asked.onsuccess = () => {
        opening.result.close()
        resolve(asked.result)
      }
    }
  })
}

function authorized(token) {
  return token ? { headers: { Authorization: `Bearer ${token}` } } : undefined
}
