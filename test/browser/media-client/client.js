// Starts as the clients do that people mount, and answers a test what came of it.

/** Every request of the start, and its status. */
const asked = {}

async function ask(path, options) {
  const response = await fetch(path, options)
  asked[path.replace(location.origin, '').split('?')[0]] = response.status
  return response
}

const json = async (path, options) => (await ask(path, options)).json()

async function registerServiceWorker() {
  const registration = await navigator.serviceWorker.register('sw.js')
  await registration.update()
  navigator.serviceWorker.addEventListener('message', ({ data, source }) => {
    if (data.type === 'userinfo') source.postMessage({ responseKey: data.responseKey, deviceId: localStorage.getItem('device') })
  })
}

async function configuration() {
  const own = await ask(`config.${location.hostname}.json?cachebuster=${Date.now()}`).catch(() => undefined)
  return own?.ok ? own.json() : json(`config.json?cachebuster=${Date.now()}`)
}

function tokens(mode) {
  return new Promise((resolve) => {
    const opening = indexedDB.open('client', 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore('tokens')
    opening.onsuccess = () => resolve(opening.result.transaction('tokens', mode).objectStore('tokens'))
  })
}

/** Tells the service worker for whom the page speaks, as soon as there is one. */
async function speakFor(accessToken) {
  const { active } = await navigator.serviceWorker.ready
  active.postMessage({ type: 'setSession', accessToken })
}

async function start() {
  const registered = registerServiceWorker().then(
    () => 'registered',
    (failure) => String(failure),
  )
  const config = await configuration()
  const base = config.default_server_config['m.homeserver'].base_url
  await ask(`${base}/.well-known/matrix/client`)
  await ask(`${base}/_matrix/client/versions`)
  await ask(`${base}/_matrix/client/v1/auth_metadata`)
  await ask(`${base}/_matrix/client/v3/login`)
  const token = localStorage.getItem('token')
  if (token) {
    await speakFor(token)
    await ask(`${base}/_matrix/client/v3/pushrules/`, { headers: { Authorization: `Bearer ${token}` } })
  }
  return { base, asked, serviceWorker: await registered }
}

window.client = {
  started: start(),
  /** A new account, whose token the page keeps; answers it. */
  async register(username) {
    const auth = { type: 'm.login.dummy' }
    const answer = await json('/_matrix/client/v3/register', {
      method: 'POST',
      body: JSON.stringify({ username, password: 'wonderland-7', auth }),
    })
    localStorage.setItem('device', answer.device_id)
    localStorage.setItem('token', answer.access_token)
    const store = await tokens('readwrite')
    store.put(answer.access_token, answer.device_id)
    await new Promise((resolve) => store.transaction.addEventListener('complete', resolve))
    await speakFor(answer.access_token)
  },
  /** Uploads a picture of 320 by 200; answers server and media id. */
  async upload() {
    const canvas = new OffscreenCanvas(320, 200)
    canvas.getContext('2d').fillRect(0, 0, 160, 200)
    const headers = { Authorization: `Bearer ${localStorage.getItem('token')}`, 'Content-Type': 'image/png' }
    const body = await canvas.convertToBlob({ type: 'image/png' })
    const { content_uri: uri } = await json('/_matrix/media/v3/upload', { method: 'POST', headers, body })
    return uri.slice('mxc://'.length)
  },
  /** The width of a picture in an `<img>`, or that there was none. */
  shown: (src) =>
    new Promise((resolve) => {
      const image = new Image()
      image.onload = () => resolve(image.naturalWidth)
      image.onerror = () => resolve('nothing')
      image.src = src
    }),
  /** The status of a download that the page makes without a header. */
  downloaded: async (path) => (await fetch(path)).status,
}
