import { createNavigation, createRouter, FeatureSet, Platform, RootViewModel } from 'hydrogen-view-sdk'

/** Hydrogen as its own page starts it. */
async function main(): Promise<void> {
  const platform = new Platform({
    container: document.body,
    assetPaths: {
      downloadSandbox: 'download-sandbox.html',
      worker: 'main.js',
      olm: { wasm: 'olm.wasm', legacyBundle: 'olm_legacy.js', wasmBundle: 'olm.js' },
      serviceWorker: 'sw.js',
    },
    config: await (await fetch('config.json')).json(),
    options: { development: false },
  })
  const navigation = createNavigation()
  platform.setNavigation(navigation)
  await platform.init()
  const urlRouter = createRouter({ navigation, history: platform.history })
  urlRouter.attach()
  const features = await FeatureSet.load(platform.settingsStorage)
  const root = new RootViewModel({ platform, urlRouter, navigation, features })
  await root.load()
  platform.createAndMountRootView(root)
}

await main()
