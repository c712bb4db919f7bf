import { type HomeserverControls, openHomeserver } from './open-homeserver.ts'

declare global {
  interface Window {
    /** The controls of the homeserver, once this page can reach it. */
    homeserver: Promise<HomeserverControls>
    /** Put in by a test that counts what was acknowledged. */
    acknowledged?: (body: string) => void
  }
}

window.homeserver = openHomeserver()
