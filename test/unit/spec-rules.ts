import { type RoomVersionRules, roomVersions } from '../../src/spec/room-version.ts'

/** The rules of a room version, served or not. */
export function rulesOfVersion(version: string): RoomVersionRules {
  const rules = roomVersions.get(version)
  if (rules === undefined) throw new TypeError(`there is no room version ${version}`)
  return rules
}

/** All room versions of the specification. */
export const allVersions: readonly string[] = [...roomVersions.keys()]
