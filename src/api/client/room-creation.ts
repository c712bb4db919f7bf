import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import type { Preset, RoomCreator } from '../../rooms/create.ts'
import { MatrixError } from '../../spec/errors.ts'
import { fitsBytes } from '../../spec/identifiers.ts'
import { userIdText } from './room-fields.ts'
import type { Inherit } from './room-inheritance.ts'

const identifier = v.pipe(
  v.string(),
  v.check((text) => fitsBytes(text), 'longer than 255 bytes'),
)

const roomRequest = v.object({
  visibility: v.optional(v.picklist(['public', 'private'])),
  room_alias_name: v.optional(v.pipe(v.string(), v.nonEmpty(), v.maxLength(255))),
  name: v.optional(v.string()),
  topic: v.optional(v.string()),
  invite: v.optional(v.pipe(v.array(userIdText), v.maxLength(1000))),
  invite_3pid: v.optional(v.array(jsonObject)),
  room_version: v.optional(v.string()),
  creation_content: v.optional(jsonObject),
  initial_state: v.optional(
    v.pipe(
      v.array(v.object({ type: v.pipe(identifier, v.nonEmpty()), state_key: v.optional(identifier), content: jsonObject })),
      v.maxLength(500),
    ),
  ),
  preset: v.optional(v.picklist(['private_chat', 'public_chat', 'trusted_private_chat'])),
  is_direct: v.optional(v.boolean()),
  power_level_content_override: v.optional(jsonObject),
})

/** Making rooms (Client-Server API, "Creation"). */
export function roomCreationEndpoints({ creator, inherit }: { readonly creator: RoomCreator; readonly inherit: Inherit }): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/createRoom',
      body: roomRequest,
      handle: async ({ session, body, keep }) => {
        if (body.invite_3pid && body.invite_3pid.length > 0) throw thirdPartyUnsupported()
        const preset: Preset = body.preset ?? (body.visibility === 'public' ? 'public_chat' : 'private_chat')
        const roomId = await creator.create({
          creator: session.userId,
          preset,
          published: body.visibility === 'public',
          ...(body.room_version === undefined ? {} : { version: body.room_version }),
          ...(body.room_alias_name === undefined ? {} : { aliasLocalpart: body.room_alias_name }),
          ...(body.name === undefined ? {} : { name: body.name }),
          ...(body.topic === undefined ? {} : { topic: body.topic }),
          invite: [...new Set(body.invite)].filter((userId) => userId !== session.userId),
          isDirect: body.is_direct ?? false,
          creationContent: body.creation_content ?? {},
          initialState: (body.initial_state ?? []).map(({ type, state_key: stateKey = '', content }) => ({ type, stateKey, content })),
          powerLevels: body.power_level_content_override ?? {},
          alongside: (id) => keep({ room_id: id }),
        })
        if (body.creation_content?.predecessor !== undefined) await inherit(session.userId, roomId)
        return { room_id: roomId }
      },
    }),
  ]
}

/** No identity server is known here: people are invited by their Matrix id. */
export function thirdPartyUnsupported(): MatrixError {
  return new MatrixError(400, 'M_THREEPID_DENIED', { message: 'Invitations by e-mail address or telephone number are not supported' })
}
