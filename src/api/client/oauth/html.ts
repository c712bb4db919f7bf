import { sha256 } from '@noble/hashes/sha2.js'
import { encodeBase64 } from '../../../spec/base64.ts'

/** A piece of HTML that is safe to put into a page. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** HTML from a template; what is put in is escaped, unless it is HTML itself. */
export function html(strings: TemplateStringsArray, ...values: readonly (string | Html | readonly Html[])[]): Html {
  return new Html(strings.reduce((text, part, index) => text + written(values[index - 1] ?? '') + part))
}

function written(value: string | Html | readonly Html[]): string {
  if (value instanceof Html) return value.text
  if (typeof value !== 'string') return value.map(({ text }) => text).join('')
  return value.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}

// System colours follow the reader's light or dark scheme, and forced colours.
const style = `:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}
body{margin:0;padding:2rem 1rem;overflow-wrap:anywhere}
main{max-width:27rem;margin:auto}
h1{font-size:1.4rem;line-height:1.25}h2{font-size:1.1rem;margin:2rem 0 0}
label{display:block;margin:.75rem 0 .25rem}
input{font:inherit;padding:.5rem;border:1px solid GrayText;border-radius:.4rem}
input:not([type=checkbox]){box-sizing:border-box;width:100%}
button{font:inherit;padding:.5rem 1.1rem;border:1px solid GrayText;border-radius:.4rem;margin:.75rem .5rem 0 0;cursor:pointer}
.main{background:#0b6b4d;color:#fff;border-color:#0b6b4d}
.note{border-left:.25rem solid;padding-left:.75rem}
.error{border-color:#d51928}
ul{padding:0;list-style:none}`

/** A text as a Content Security Policy names it. */
function hashOf(text: string): string {
  return `sha256-${encodeBase64(sha256(new TextEncoder().encode(text)))}=`
}

interface PageOptions {
  readonly status?: number
  /** Origins or schemes that an answer to its form may lead to, beside our own. */
  readonly formTargets?: string
  /** The only script that runs in it; it may ask this homeserver. Must hold nothing that anyone else wrote. */
  readonly script?: string
}

/** A page of the homeserver itself, shown in no frame. */
export function page(title: string, content: Html, options: PageOptions = {}): Response {
  const { status = 200, formTargets = '', script } = options
  const policy = [
    "default-src 'none'",
    `style-src '${hashOf(style)}'`,
    ...(script === undefined ? [] : [`script-src '${hashOf(script)}'`, "connect-src 'self'"]),
    "frame-src 'self'",
    `form-action 'self' ${formTargets}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  const body = html`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>${new Html(style)}</style><body><main><h1>${title}</h1>${content}</main>${
    script === undefined ? html`` : html`<script>${new Html(script)}</script>`
  }</body></html>`
  return new Response(body.text, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cache-control': 'no-store',
    },
  })
}

/** What went wrong, read out by screen readers at once; nothing where nothing did. */
export function errorNote(message: string | undefined): Html {
  return message === undefined ? html`` : html`<p class="note error" role="alert">${message}</p>`
}

/** Fields that a form carries on. */
export function hiddenFields(fields: Readonly<Record<string, string | undefined>>): Html[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [html`<input type="hidden" name="${name}" value="${value}">`],
  )
}

/** Where a user says who they are; for a new account, who they want to be. */
export function credentialFields(username = '', isNew = false): Html {
  return html`<label for="username">User name</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="${isNew ? 'new-password' : 'current-password'}" required>`
}
