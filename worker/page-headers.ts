type Policy = Readonly<Record<string, string>>

interface PathHeaders {
  readonly path: RegExp
  readonly policy: Policy
  readonly headers?: Readonly<Record<string, string>>
}

const nothingElse: Policy = { 'default-src': "'none'", 'base-uri': "'none'", 'form-action': "'none'" }

/** The Content Security Policy of each path, first match wins. What is ours runs without `eval` and without WebAssembly. */
const table: readonly PathHeaders[] = [
  {
    path: /^\/sw\.js$/,
    policy: { ...nothingElse, 'script-src': "'self'", 'connect-src': "'self'" },
    headers: { 'Service-Worker-Allowed': '/' },
  },
  {
    path: /^\/workers\//,
    policy: { ...nothingElse, 'script-src': "'self'", 'connect-src': "'self'", 'worker-src': "'self'" },
  },
  {
    path: /^\/tab-host\.html$/,
    policy: {
      ...nothingElse,
      'script-src': "'self'",
      'worker-src': "'self'",
      'connect-src': "'self' ws: wss:",
      'frame-ancestors': "'self'",
    },
  },
  {
    // The demo's client, matrix-js-sdk, encrypts with WebAssembly.
    path: /^\//,
    policy: {
      ...nothingElse,
      'default-src': "'self'",
      'script-src': "'self' 'wasm-unsafe-eval'",
      'style-src': "'self' 'unsafe-inline'",
      'img-src': "'self' blob: data:",
      'media-src': "'self' blob:",
      'font-src': "'self' data:",
      'connect-src': "'self'",
      'frame-src': "'self'",
      'worker-src': "'self'",
      'object-src': "'none'",
      'frame-ancestors': "'self'",
    },
  },
]

/** The security headers of a path of our own pages, for whoever serves them. */
export function pageHeaders(path: string): Record<string, string> {
  const row = table.find((candidate) => candidate.path.test(path))
  const policy = Object.entries(row?.policy ?? nothingElse).map(([directive, sources]) => `${directive} ${sources}`)
  return {
    'Content-Security-Policy': policy.join('; '),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    ...row?.headers,
  }
}
