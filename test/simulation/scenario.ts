import { memberEvents } from '../../src/rooms/room-store.ts'
import { serverNameOf } from '../../src/spec/identifiers.ts'
import { rulesOf, supportedRoomVersions } from '../../src/spec/room-version.ts'
import type { StateTrie } from '../../src/spec/state-trie.ts'
import { stagedPdus } from '../../src/storage/tables/rooms.ts'
import { clientFaults, type ReadHistory, readHistory } from './client-checks.ts'
import { Deeds } from './deeds.ts'
import { acquaintances, deviceFaults } from './device-checks.ts'
import { checkRoom, lastWords } from './room-checks.ts'
import { RoomModel } from './room-model.ts'
import { type RoomView, viewRoom } from './room-view.ts'
import { SeededRandom } from './seeded-random.ts'
import type { SimulatedClient } from './simulated-client.ts'
import { type SimulatedRoom, World } from './world.ts'

/** How one run went. */
export interface Outcome {
  readonly seed: number
  readonly trace: readonly string[]
  /** What was promised and did not hold; none for a good run. */
  readonly faults: readonly string[]
  /** Whether the servers ever disagreed: a run without divergence proves nothing. */
  readonly diverged: boolean
  /** What was covered, to be summed up over many runs. */
  readonly counts: Readonly<Record<string, number>>
}

/** What a run is made of, where the seed is not to decide it. */
export interface Plan {
  readonly servers?: number
  readonly rooms?: number
  readonly rounds?: number
  readonly version?: string
  /** Whether users also renew the keys of their devices, and more of them change who sees history; so it is if it is not given. */
  readonly varied?: boolean
  /** Whether users also replace rooms by new ones, and let only members of other rooms in more often; so it is if it is not given. */
  readonly moving?: boolean
}

/**
 * Homeservers share rooms, talk through a faulty network, are cut apart, crash at some commit and come back, while their users
 * fight over the rooms. Once all is well again and each has spoken once more, they must agree on everything that the rules say
 * they know, and no client may miss a message, see one twice, or see one that is not for it.
 */
export async function runScenario(seed: number, plan: Plan = {}): Promise<Outcome> {
  const random = new SeededRandom(seed)
  const servers = plan.servers ?? random.pick([3, 3, 3, 4, 4, 5, 6, 8])
  const world = new World(random, { servers, clients: servers + random.between(0, 2) })
  const run = new Run(world, plan)
  try {
    await run.begin()
    await run.trouble()
    const diverged = await run.disagree()
    await run.heal()
    const { faults, counts } = await run.verify()
    return { seed, trace: world.trace, faults, diverged, counts }
  } catch (error) {
    const faults = [error instanceof Error ? (error.stack ?? error.message) : String(error)]
    return { seed, trace: world.trace, faults, diverged: true, counts: {} }
  } finally {
    await world.stop().catch(() => undefined)
  }
}

class Run {
  readonly #world: World
  readonly #plan: Plan
  readonly #deeds: Deeds
  readonly #doing: Promise<unknown>[] = []

  constructor(world: World, plan: Plan) {
    this.#world = world
    this.#plan = plan
    this.#deeds = new Deeds(world, { varied: plan.varied ?? true, moving: plan.moving ?? true })
  }

  /** Everyone registers, some make rooms, all join them. */
  async begin(): Promise<void> {
    const world = this.#world
    for (const server of world.servers) await world.during(server.start())
    for (const client of world.clients) await world.during(client.register())
    const rooms = this.#plan.rooms ?? world.random.between(1, 3)
    for (let i = 0; i < rooms; i++) await this.#makeRoom(world.random.pick(world.clients))
    await world.quiet()
    for (const client of world.clients) this.#doing.push(client.follow())
  }

  /** Rounds of deeds with faults between them. */
  async trouble(): Promise<void> {
    const { random, network, clock, clients, rooms } = this.#world
    network.faults = { loss: random.pick([0, 0.05, 0.15]), duplicate: 0.1, maxDelayMs: random.pick([50, 500, 3_000]) }
    const rounds = this.#plan.rounds ?? random.between(6, 14)
    for (let round = 0; round < rounds; round++) {
      for (const client of clients) {
        for (const room of rooms) if (random.chance(0.6)) this.#doing.push(this.#deeds.any(client, room))
      }
      if (random.chance(0.4)) this.#cutSomewhere()
      if (random.chance(0.15)) network.mend()
      this.#disturbSome()
      await clock.run(random.between(50, 4_000))
      for (const server of this.#world.servers) if (!server.running && random.chance(0.6)) await this.#restart(server)
    }
  }

  /** Whether any two servers hold different things now. */
  async disagree(): Promise<boolean> {
    const ends = await Promise.all(this.#world.rooms.map((room) => this.#ends(room)))
    return ends.some((each) => new Set(each).size > 1)
  }

  /** The network is whole, all are up, every request is answered, and each user speaks once more in every room. */
  async heal(): Promise<void> {
    const world = this.#world
    world.note('all is healed')
    world.network.heal()
    for (const server of world.servers) {
      server.disk.crashAfter(Number.POSITIVE_INFINITY)
      if (!server.running) await world.during(server.start())
    }
    for (const client of world.clients) client.rest()
    await world.during(Promise.all(this.#doing))
    await world.quiet()
    for (const client of world.clients) {
      for (const room of world.rooms) await world.during(this.#deeds.liftAcl(client, room))
      await world.quiet()
    }
    for (const client of world.clients) {
      await world.during(Promise.all(world.rooms.map(({ roomId }) => client.say(roomId, `${lastWords} ${client.name}`))))
      await world.quiet()
    }
    for (const client of world.clients) await world.during(client.catchUp())
  }

  async verify(): Promise<Pick<Outcome, 'faults' | 'counts'>> {
    const world = this.#world
    const faults = [...world.transactions.reused.map((id) => `the transaction ${id} was used twice`), ...this.#letterFaults()]
    for (const { name, disk, errors } of world.servers)
      faults.push(...disk.reusedPositions.map((position) => `${name} used the position ${position}`), ...errors)

    const counts = { runs: 1, events: 0, softFailed: 0, rejected: 0, residents: 0, agreeing: 0 }
    const allViews: RoomView[][] = []
    for (const room of world.rooms) {
      const histories = await this.#readHistories(room)
      const views = await this.#views(room)
      allViews.push(views)
      const model = modelOf(room, views)
      const found = checkRoom(model, views, (state) => serversIn(model, state))
      faults.push(...found.faults.map((fault) => `${room.roomId} (version ${room.version}): ${fault}`))
      faults.push(...(await this.#stagedFaults(room, found.agreeing)))
      for (const client of world.clients) {
        const view = views.find(({ server }) => server === client.server.name)
        if (view) faults.push(...clientFaults(client, { model, view }, histories.get(client)))
        faults.push(...this.#saidTwice(client, room, model))
      }
      const statuses = views.flatMap(({ records }) => records.map(({ stored }) => stored.status))
      counts.events += model.judged.size
      counts.softFailed += statuses.filter((status) => status === 'soft-failed').length
      counts.rejected += statuses.filter((status) => status === 'rejected').length
      counts.residents += found.residents
      counts.agreeing += found.agreeing.length
    }
    const pairs = acquaintances(world.clients, allViews)
    faults.push(...(await world.during(deviceFaults(pairs))))
    for (const client of world.clients) faults.push(...client.faults)
    return { faults, counts: { ...counts, pairs: pairs.length } }
  }

  /** What came for a room that all agree on has been dealt with. */
  async #stagedFaults({ roomId }: SimulatedRoom, agreeing: readonly string[]): Promise<string[]> {
    const servers = this.#world.servers.filter(({ name }) => agreeing.includes(name))
    const staged = await Promise.all(servers.map(({ disk }) => disk.inspect().read([stagedPdus], (tx) => tx.range(stagedPdus, {}))))
    return servers.flatMap(({ name }, i) => {
      const left = staged[i]?.filter(([, row]) => row.roomId === roomId) ?? []
      return left.map(([, { pdu, origin }]) => `${name} never dealt with an event of ${roomId} from ${origin}: ${JSON.stringify(pdu)}`)
    })
  }

  async #makeRoom(founder: SimulatedClient): Promise<void> {
    const { random, clients, rooms } = this.#world
    const version = this.#plan.version ?? random.pick(supportedRoomVersions())
    const power = { users_default: random.pick([0, 50]), state_default: random.pick([0, 50]) }
    const events = { 'm.room.power_levels': 100, 'm.room.history_visibility': power.state_default }
    const override = (this.#plan.varied ?? true) ? { ...power, events } : power
    const body = { preset: 'public_chat', room_version: version, power_level_content_override: override }
    const roomId = String((await this.#world.during(founder.must('POST', '/v3/createRoom', body))).body.room_id)
    for (const client of clients.filter((other) => other !== founder)) {
      await this.#world.during(client.must('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${founder.server.name}`, {}))
    }
    rooms.push({ roomId, version })
  }

  async #restart(server: World['servers'][number]): Promise<void> {
    const { random } = this.#world
    if (random.chance(0.2)) server.disk.crashAfter(random.between(1, 3))
    await this.#world.during(server.start())
  }

  #disturbSome(): void {
    const { random, servers } = this.#world
    if (random.chance(0.4)) random.pick(servers).disk.crashAfter(random.between(1, 12))
    const server = random.pick(servers)
    if (random.chance(0.05) && server.running) server.crash()
  }

  #cutSomewhere(): void {
    const { servers, random, network } = this.#world
    const [from, to] = [random.pick(servers), random.pick(servers)]
    if (from === to) return
    network.cut(from.name, to.name)
    if (random.chance(0.5)) network.cut(to.name, from.name)
  }

  async #views({ roomId }: SimulatedRoom): Promise<RoomView[]> {
    const views = await Promise.all(this.#world.servers.map((server) => viewRoom(server, roomId)))
    return views.filter((view) => view !== undefined)
  }

  async #readHistories({ roomId }: SimulatedRoom): Promise<Map<SimulatedClient, ReadHistory>> {
    const histories = new Map<SimulatedClient, ReadHistory>()
    for (const client of this.#world.clients) {
      const view = await viewRoom(client.server, roomId)
      if (view?.joined.has(client.userId)) histories.set(client, await this.#world.during(readHistory(client, roomId)))
    }
    return histories
  }

  async #ends(room: SimulatedRoom): Promise<string[]> {
    return (await this.#views(room)).map((view) => [...view.room.forwardExtremities].sort().join())
  }

  /** Every to-device message that was acknowledged came, and came once. */
  #letterFaults(): string[] {
    const { clients } = this.#world
    return clients.flatMap((client) => {
      const sent = clients.flatMap(({ posted }) => posted.filter(({ to }) => to === client.userId).map(({ text }) => text))
      const [expected, got] = [sent.sort().join(), [...client.letters].sort().join()]
      return expected === got ? [] : [`${client.userId} was sent the letters ${expected}, and got ${got}`]
    })
  }

  /** A transaction that a client repeats until it is answered is one event. */
  #saidTwice({ said, userId }: SimulatedClient, { roomId }: SimulatedRoom, model: RoomModel): string[] {
    const texts = new Map<unknown, number>()
    for (const { event } of model.judged.values()) {
      if (event.sender === userId && event.type === 'm.room.message')
        texts.set(event.content.body, (texts.get(event.content.body) ?? 0) + 1)
    }
    return said
      .filter((message) => message.roomId === roomId)
      .flatMap(({ eventId, text }) => {
        if (!model.judged.has(eventId)) return [`${eventId} of ${userId} was acknowledged and is lost`]
        return (texts.get(text) ?? 0) > 1 ? [`${userId} said "${text}" once, and it became several events`] : []
      })
  }
}

function modelOf({ version }: SimulatedRoom, views: readonly RoomView[]): RoomModel {
  const rules = rulesOf(version)
  if (!rules) throw new Error(`no rules of room version ${version}`)
  return new RoomModel(rules, new Map(views.flatMap(({ records }) => records.map(({ event }) => [event.eventId, event]))))
}

/** The servers with a joined user in a state. */
function serversIn(model: RoomModel, state: StateTrie): Set<string> {
  const joined = memberEvents(state).filter(([, eventId]) => model.judged.get(eventId)?.event.content.membership === 'join')
  return new Set(joined.flatMap(([userId]) => serverNameOf(userId) ?? []))
}
