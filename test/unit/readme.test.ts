import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../headless/config.ts'

const readme = readFileSync('README.md', 'utf8')

test('what the README links to and shows is there', () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)|(?:src|srcset)="([^"]+)"/g)].map(([, link, image]) => link ?? image ?? '')
  expect(links.length).toBeGreaterThan(2)
  expect(links.filter((path) => !existsSync(path))).toEqual([])
})

test('the commands of the README are there', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync('package.json', 'utf8'))
  const commands = [...readme.matchAll(/npm (?:run )?(start|test|(?<=run )[a-z]+)/g)].map(([, name]) => name ?? '')
  expect(commands).toContain('headless')
  expect(commands.filter((name) => scripts[name] === undefined)).toEqual([])
})

test('the configuration of headless in the README is one that it takes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'yurt-readme-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'homeservers.json')
  await writeFile(file, /```jsonc\n([^`]+)```/.exec(readme)?.[1] ?? '')
  expect(await readConfig(file)).toMatchObject({
    homeservers: [{ serverName: 'hs1', clientPort: 8101, federationPort: 8201, dataDir: join(directory, 'data/hs1') }],
    resolve: { hs2: '127.0.0.1:8202' },
    trustedCaFiles: [join(directory, 'ca.pem')],
    openRegistration: true,
    rateLimits: false,
    allowPrivateAddresses: true,
    fastPasswordHash: true,
  })
})
