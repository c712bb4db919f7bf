import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join, sep } from 'node:path'
import { clientConfig, isConfigPath } from './client-config.ts'
import { type Answer, fileAnswer, jsonAnswer } from './static-files.ts'

/** Asks for a client's service worker as it is, for the script around it. */
const unwrapped = '?yurt-unwrapped'
const ownPaths = /^\/(tab-host\.html|client-start\.html|workers\/|yurt[.-])/

/** A built web client, served at `/` under the origin of a homeserver. Its files are as they were when this was made. */
export class MountedClient {
  readonly #directory: string
  readonly #files: readonly string[]
  readonly #revisions: ReadonlyMap<string, string>

  private constructor(directory: string, files: ReadonlyMap<string, string>) {
    this.#directory = directory
    this.#files = [...files.keys()]
    this.#revisions = files
  }

  /** Rejects where there is no client in the directory. */
  static async read(directory: string): Promise<MountedClient> {
    if (!existsSync(join(directory, 'index.html'))) throw new Error(`--client: there is no index.html in ${directory}`)
    const paths = (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length).split(sep).join('/').replace(/^\/*/, '/'))
      // What no page asks for.
      .filter((path) => !/\.map$|\/\./.test(path) && !ownPaths.test(path))
    const revisions = paths.sort().map(async (path) => [path, revisionOf(await readFile(join(directory, path)))] as const)
    return new MountedClient(directory, new Map(await Promise.all(revisions)))
  }

  /**
   * What a request is answered with; `undefined` for one that is for our own files.
   *
   * @param path decoded, without dots that lead elsewhere
   */
  async answer(path: string, { url = '', headers }: IncomingMessage): Promise<Answer | undefined> {
    const isServiceWorker = headers['service-worker'] === 'script' && !url.endsWith(unwrapped)
    if (path === '/sw.js' ? !url.endsWith(unwrapped) : isServiceWorker && this.#revisions.has(path))
      return this.#serviceWorker(path, headers.host)
    if (!this.#revisions.has(path)) return undefined
    const origin = originOf(headers.host)
    const file = join(this.#directory, path)
    if (isConfigPath(path)) return jsonAnswer(200, clientConfig(await readFile(file, 'utf8'), origin))
    // Its own policy, where it has one, is in its pages. It is not to be shown in pages of others: it is the homeserver's origin.
    return fileAnswer(file, {
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': "frame-ancestors 'self'",
      'X-Content-Type-Options': 'nosniff',
    })
  }

  /** The homeserver's service worker, told of the client's files, and after it the client's own, if it has one. */
  async #serviceWorker(path: string, host: string | undefined): Promise<Answer> {
    const hasServiceWorker = this.#revisions.has(path)
    const files = this.#files.map((url) => ({ url: encodeURI(url), revision: this.#revisions.get(url) }))
    // What config.json says depends on the origin.
    const told = {
      files: files.map((file) => (isConfigPath(file.url) ? { ...file, revision: `${file.revision}-${host}` } : file)),
      hasServiceWorker,
    }
    const own = `try { importScripts(${JSON.stringify(path + unwrapped)}) } catch (error) { console.error(error) }`
    const lines = [
      `self.yurtClient = ${JSON.stringify(told)}`,
      "importScripts('/yurt-sw.js')",
      ...(hasServiceWorker ? [own, "self.dispatchEvent(new Event('yurt-client-loaded'))"] : []),
    ]
    return {
      status: 200,
      headers: {
        'Content-Type': 'text/javascript; charset=utf-8',
        'Cache-Control': 'no-cache',
        'Service-Worker-Allowed': '/',
        // Neither evaluates code nor runs WebAssembly. What the client's own part fetches may be anywhere.
        'Content-Security-Policy': "default-src 'none'; script-src 'self'; connect-src *",
      },
      body: `${lines.join('\n')}\n`,
    }
  }
}

/** The path of one of our own files for a path that is asked for where `/` is a client's. */
export function ownFile(path: string): string {
  if (path === '/yurt.html') return '/index.html'
  return path === '/yurt-sw.js' ? '/sw.js' : path
}

/** Whether a browser without the service worker asks for a page: it has to be given one that gets it the service worker first. */
export function isFirstVisit(path: string, { headers }: IncomingMessage): boolean {
  return headers['sec-fetch-dest'] === 'document' && !ownPaths.test(path)
}

function originOf(host = 'localhost'): string {
  return `http://${host}`
}

function revisionOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}
