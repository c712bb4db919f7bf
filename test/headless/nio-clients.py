"""Clients of matrix-nio with encryption, driven by lines of JSON: {"id", "as", "do", ...} in, {"id", "result" | "error"} out."""

import asyncio
import io
import json
import os
import sys

from nio import (
    AsyncClient,
    AsyncClientConfig,
    MatrixRoom,
    MegolmEvent,
    RoomEncryptedImage,
    RoomMessageText,
)
from nio.crypto.attachments import decrypt_attachment
from nio.crypto.sas import SasState

STORES, URL = sys.argv[1:]
ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


def fine(response):
    """The response, unless it is an error."""
    if type(response).__name__.endswith("Error"):
        raise RuntimeError(str(response))
    return response


class Client:
    """One device. What it reads of rooms is kept in the order in which it came."""

    def __init__(self, name):
        store = os.path.join(STORES, name)
        os.makedirs(store, exist_ok=True)
        self.session_file = os.path.join(store, "session.json")
        config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
        self.nio = AsyncClient(URL, name, store_path=store, config=config)
        self.texts = []
        self.images = []
        self.undecryptable = 0
        self.nio.add_event_callback(self._text, RoomMessageText)
        self.nio.add_event_callback(self._image, RoomEncryptedImage)
        self.nio.add_event_callback(self._megolm, MegolmEvent)

    def _text(self, room: MatrixRoom, event: RoomMessageText):
        self.texts.append([room.room_id, event.body, event.decrypted])

    def _image(self, room: MatrixRoom, event: RoomEncryptedImage):
        self.images.append(event)

    def _megolm(self, room: MatrixRoom, event: MegolmEvent):
        self.undecryptable += 1

    async def register(self, name):
        answer = fine(await self.nio.register(name, "secret words"))
        return await self._began({"user_id": answer.user_id, "device_id": answer.device_id, "access_token": answer.access_token})

    async def login(self, name):
        answer = fine(await self.nio.login("secret words"))
        return await self._began({"user_id": answer.user_id, "device_id": answer.device_id, "access_token": answer.access_token})

    async def _began(self, session):
        with open(self.session_file, "w") as file:
            json.dump(session, file)
        await self.sync()
        return session

    async def restore(self):
        """The device again, from what it stored: its keys, and the token that it goes on from."""
        with open(self.session_file) as file:
            self.nio.restore_login(**json.load(file))
        return self.nio.loaded_sync_token

    async def sync(self, timeout=0):
        answer = fine(await self.nio.sync(timeout=timeout, full_state=False))
        if self.nio.should_upload_keys:
            fine(await self.nio.keys_upload())
        if self.nio.should_query_keys:
            fine(await self.nio.keys_query())
        if self.nio.should_claim_keys:
            fine(await self.nio.keys_claim(self.nio.get_users_for_key_claiming()))
        for response in await self.nio.send_to_device_messages():
            fine(response)
        return answer.next_batch

    async def until(self, check):
        while not check():
            await self.sync(timeout=5_000)

    async def create_room(self, invite):
        return fine(await self.nio.room_create(invite=invite, initial_state=[ENCRYPTION])).room_id

    async def join(self, room_id):
        await self.until(lambda: room_id in self.nio.invited_rooms)
        fine(await self.nio.join(room_id))
        await self.until(lambda: room_id in self.nio.rooms)

    async def members_are(self, room_id, count):
        await self.until(lambda: room_id in self.nio.rooms and len(self.nio.rooms[room_id].users) == count)

    async def say(self, room_id, text):
        content = {"msgtype": "m.text", "body": text}
        return fine(await self.nio.room_send(room_id, "m.room.message", content, ignore_unverified_devices=True)).event_id

    async def hears(self, room_id, text):
        await self.until(lambda: [room_id, text, True] in self.texts)

    async def heard(self, room_id):
        """Every text that came, once for each time that it came."""
        return [text for room, text, _ in self.texts if room == room_id]

    async def send_image(self, room_id, data):
        content = bytes.fromhex(data)
        answer, keys = await self.nio.upload(
            lambda *_: io.BytesIO(content), content_type="image/png", filename="picture.png", encrypt=True, filesize=len(content)
        )
        file = {**keys, "url": fine(answer).content_uri}
        message = {"msgtype": "m.image", "body": "picture.png", "file": file, "info": {"mimetype": "image/png", "size": len(content)}}
        return fine(await self.nio.room_send(room_id, "m.room.message", message, ignore_unverified_devices=True)).event_id

    async def see_image(self):
        """The content of the last picture, downloaded and decrypted."""
        await self.until(lambda: self.images)
        image = self.images[-1]
        sealed = fine(await self.nio.download(image.url)).body
        return decrypt_attachment(sealed, image.key["k"], image.hashes["sha256"], image.iv).hex()


CLIENTS = {}


async def verify(first: Client, second: Client):
    """Compares short authentication strings, as two people do; answers what each of them saw and whether they trust each other."""
    device = first.nio.device_store[second.nio.user_id][second.nio.device_id]
    fine(await first.nio.start_key_verification(device))
    (transaction,) = first.nio.key_verifications
    await second.until(lambda: transaction in second.nio.key_verifications)
    fine(await second.nio.accept_key_verification(transaction))
    sas = [client.nio.key_verifications[transaction] for client in (first, second)]
    while not all(each.state is SasState.key_received for each in sas):
        await first.sync()
        await second.sync()
    seen = [each.get_emoji() for each in sas]
    for client in (first, second):
        fine(await client.nio.confirm_short_auth_string(transaction))
    while not all(each.verified for each in sas):
        await first.sync()
        await second.sync()
    trusts = [
        one.nio.device_store[other.nio.user_id][other.nio.device_id].verified for one, other in ((first, second), (second, first))
    ]
    return {"seen": seen, "trusts": trusts}


async def answered(request):
    name, action, parameters = request["as"], request["do"], request["with"]
    client = CLIENTS.get(name)
    if client is None:
        client = CLIENTS[name] = Client(name)
    if action == "verify":
        return await verify(client, CLIENTS[parameters[0]])
    if action == "undecryptable":
        return client.undecryptable
    if action == "close":
        return await CLIENTS.pop(name).nio.close()
    return await getattr(client, action)(*parameters)


async def main():
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        try:
            answer = {"result": await answered(request)}
        except Exception as error:  # Whatever it is, the test is told.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    for client in CLIENTS.values():
        await client.nio.close()


asyncio.run(main())
