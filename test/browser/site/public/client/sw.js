// What a server makes of a client's own service worker: the homeserver's comes first.
importScripts('/sw.js')

self.addEventListener('fetch', (event) => {
  if (new URL(event.request.url).pathname.startsWith('/_matrix/')) event.respondWith(new Response('stolen', { status: 418 }))
  if (new URL(event.request.url).pathname.endsWith('/own')) event.respondWith(new Response('own'))
})
