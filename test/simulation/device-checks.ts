import type { RoomView } from './room-view.ts'
import type { SimulatedClient } from './simulated-client.ts'

/** A client, and another with whom it shares a room. */
export type Acquaintance = readonly [SimulatedClient, SimulatedClient]

/** The clients of whom each has the other in a room, by what both their servers hold. */
export function acquaintances(clients: readonly SimulatedClient[], rooms: readonly (readonly RoomView[])[]): Acquaintance[] {
  const meet = (a: SimulatedClient, b: SimulatedClient) => {
    const servers = [a.server.name, b.server.name]
    return rooms.some((views) => {
      const theirs = views.filter(({ server }) => servers.includes(server))
      return theirs.length === new Set(servers).size && theirs.every(({ joined }) => joined.has(a.userId) && joined.has(b.userId))
    })
  }
  return clients.flatMap((a) => clients.flatMap((b): Acquaintance[] => (a !== b && meet(a, b) ? [[a, b]] : [])))
}

/** Whom a client would encrypt for wrongly: by what it remembers, and by what its server answers now. */
export async function deviceFaults(pairs: readonly Acquaintance[]): Promise<string[]> {
  const faults: string[] = []
  for (const [client, other] of pairs) {
    const devices = await other.lookUp(other.userId)
    const remembered = client.devices.of(other.userId)
    if (remembered !== undefined && remembered !== devices)
      faults.push(`${client.userId} was never told that the devices of ${other.userId} changed from ${remembered} to ${devices}`)
    const answered = await client.lookUp(other.userId)
    if (answered !== devices) faults.push(`${client.userId} is told the devices ${answered} of ${other.userId}, who has ${devices}`)
  }
  return faults
}
