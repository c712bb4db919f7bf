import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('the table of the specification’s sections names every file of src/spec, and none that is not there', () => {
  const files = readdirSync('src/spec').filter((name) => name.endsWith('.ts'))
  const named = [...readFileSync('src/spec/README.md', 'utf8').matchAll(/`([a-z0-9-]+\.ts)`/g)].map(([, name]) => name)
  expect([...new Set(named)].sort()).toEqual(files.sort())
})
