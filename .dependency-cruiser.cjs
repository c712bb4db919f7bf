const LAYERS = {
  spec: [],
  ports: ['spec'],
  storage: ['spec', 'ports'],
  streams: ['spec', 'ports', 'storage'],
  http: ['spec', 'ports'],
  rooms: ['spec', 'ports', 'storage', 'streams', 'http'],
  users: ['spec', 'ports', 'storage', 'streams', 'http'],
  keys: ['spec', 'ports', 'storage', 'streams', 'http'],
  media: ['spec', 'ports', 'storage', 'streams', 'http'],
  federation: ['spec', 'ports', 'storage', 'streams', 'http', 'rooms', 'users', 'keys', 'media'],
  sync: ['spec', 'ports', 'storage', 'streams', 'http', 'rooms', 'users', 'keys', 'media'],
  api: ['spec', 'ports', 'storage', 'streams', 'http', 'rooms', 'users', 'keys', 'media', 'federation', 'sync'],
}

/** One rule for each directory of src: it imports itself and what is listed for it, and nothing else of ours. */
const layerRules = Object.entries(LAYERS).map(([layer, below]) => ({
  name: `src-${layer}`,
  comment: `src/${layer} may import ${below.length === 0 ? 'nothing of ours' : `only src/{${below.join(',')}}`}.`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^(src|worker|relay|demo|headless|test|scripts)/', pathNot: `^src/(${[layer, ...below].join('|')})/` },
}))

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'src-homeserver',
      comment: 'src/homeserver.ts is the composition root: it reaches all of src and nothing outside.',
      severity: 'error',
      from: { path: '^src/[^/]+$' },
      to: { path: '^(worker|relay|demo|headless|test|scripts)/' },
    },
    {
      name: 'src-libraries',
      comment: 'src is platform-free: of libraries only @noble/*, valibot and hono.',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: false, pathNot: '(^|/)node_modules/(@noble/[^/]+|valibot|hono)/|^src/' },
    },
    {
      name: 'tests-are-imported-by-tests-only',
      severity: 'error',
      from: { pathNot: '^(test|scripts)/' },
      to: { path: '^test/' },
    },
    {
      name: 'relay-and-browser-apart',
      comment: 'The relay and the browser parts share src only.',
      severity: 'error',
      from: { path: '^(worker|demo)/' },
      to: { path: '^(relay|headless|scripts)/' },
    },
    {
      name: 'relay-without-browser-parts',
      severity: 'error',
      from: { path: '^relay/' },
      to: { path: '^(worker|demo|headless)/' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'declared-dependencies',
      comment: 'Whatever is imported is named in package.json.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-dev-dependencies-in-the-relay',
      severity: 'error',
      from: { path: '^(src|worker|relay)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only', 'npm'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|test-results|playwright-report)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'browser', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.d.ts', '.js', '.mjs', '.json'],
    },
  },
}
