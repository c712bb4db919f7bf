import { type HomeserverControls, openHomeserver } from '../../../worker/page.ts'

declare global {
  interface Window {
    /** The controls of the homeserver, once this page can reach it. */
    homeserver: Promise<HomeserverControls>
  }
}

window.homeserver = openHomeserver()
