/**
 * Makes sure that a service worker answers this page's requests for its homeserver. Rejects where the browser has none,
 * or does not let this page register one.
 */
export async function controlledByServiceWorker(): Promise<void> {
  if (!('serviceWorker' in navigator))
    throw new Error('This browser lends no service worker to this page: is it a private window, or not https?')
  await navigator.serviceWorker.register('/sw.js')
  const { active } = await navigator.serviceWorker.ready
  if (navigator.serviceWorker.controller) return
  const controlled = new Promise<void>((resolve) => {
    navigator.serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true })
  })
  // A page that was reloaded with the shift key has no controller until it asks for one.
  active?.postMessage({ type: 'claim' })
  if (!navigator.serviceWorker.controller) await controlled
}
