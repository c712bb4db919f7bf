/** What is used of it: its package declares no types. */
declare module 'hydrogen-view-sdk' {
  interface Navigation {
    readonly path: unknown
  }
  interface UrlRouter {
    attach(): void
  }
  export class Platform {
    constructor(options: {
      readonly container: HTMLElement
      readonly assetPaths: object
      readonly config: unknown
      readonly options: { readonly development: boolean }
    })
    readonly history: unknown
    readonly settingsStorage: unknown
    setNavigation(navigation: Navigation): void
    init(): Promise<void>
    createAndMountRootView(root: RootViewModel): void
  }
  export class RootViewModel {
    constructor(options: {
      readonly platform: Platform
      readonly urlRouter: UrlRouter
      readonly navigation: Navigation
      readonly features: unknown
    })
    load(): Promise<void>
  }
  export const FeatureSet: {
    load(settings: unknown): Promise<unknown>
  }
  export function createNavigation(): Navigation
  export function createRouter(options: { readonly navigation: Navigation; readonly history: unknown }): UrlRouter
}
