import { type RoomVersionRules, rulesOf } from '../../src/spec/room-version.ts'

/** The rules of `version`. */
export function rulesFor(version: string): RoomVersionRules {
  const rules = rulesOf(version)
  if (!rules) throw new Error(`there is no room version ${version}`)
  return rules
}
