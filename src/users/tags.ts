import { tooLarge } from '../spec/errors.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { Turns } from '../streams/turns.ts'
import type { AccountData } from './account-data.ts'

/** Tags that a user may give a room. */
const tagLimit = 100

/** Room tags, kept as the room's account data `m.tag` (Client-Server API, "Room Tagging"). */
export class Tags {
  readonly #accountData: AccountData
  readonly #turns = new Turns()

  constructor(deps: { accountData: AccountData }) {
    this.#accountData = deps.accountData
  }

  /** Tag → what it says of the room. */
  async of(userId: UserId, roomId: RoomId): Promise<JsonObject> {
    const content = await this.#accountData.get(userId, roomId, 'm.tag')
    return isObject(content?.tags) ? content.tags : {}
  }

  /** Sets a tag, or removes it where `value` is `undefined`. Throws `M_TOO_LARGE` where there are too many. */
  set(userId: UserId, roomId: RoomId, tag: { readonly name: string; readonly value: JsonObject | undefined }): Promise<void> {
    return this.#turns.take(JSON.stringify([userId, roomId]), async () => {
      const kept = Object.entries(await this.of(userId, roomId)).filter(([name]) => name !== tag.name)
      if (tag.value !== undefined && kept.length >= tagLimit) throw tooLarge(`A room may have ${tagLimit} tags`)
      const tags = Object.fromEntries(tag.value === undefined ? kept : [...kept, [tag.name, tag.value]])
      await this.#accountData.set(userId, roomId, { type: 'm.tag', content: { tags } })
    })
  }
}
