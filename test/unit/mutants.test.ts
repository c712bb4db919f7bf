import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { planted } from '../mutants/fault.ts'
import { faults } from '../mutants/faults.ts'

test.each(faults)('the fault "$name" still fits the source, and its tests are there', (fault) => {
  const source = readFileSync(fault.file, 'utf8')
  expect(planted(fault, source)).not.toBe(source)
  for (const { file } of fault.killers) expect(readFileSync(file, 'utf8')).toContain('test')
})
