"""Synapse's own state resolution and authorisation rules, asked by one JSON object a line on stdin, answered by one a line.

In:  {"version", "events": [{"pdu", "rejected"}], "states": [[[type, state_key, event_id]]], "attempts": [[event_id, [event_id]]]}
Out: {"state": [[type, state_key, event_id]], "allowed": [bool], "ms": [how long each resolution took], "storeMs": [how much of it
was spent in the store below]}, or {"error"}

All of Synapse here is as it was installed; this script stands in for its database alone. The events are handed over as not yet
stored, so that the auth difference and the conflicted state subgraph are those of Synapse's resolver. With "stored" they are in
the store, as they are in a server: then the store below finds the difference, and only the rest is Synapse's.
"""

import asyncio
import gc
import json
import sys
import time

from synapse.api.errors import SynapseError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS, StateResolutionVersions
from synapse.event_auth import check_state_dependent_auth_rules
from synapse.events import make_event_from_json
from synapse.state import v1, v2
from synapse.storage.databases.main.event_federation import StateDifference


class Clock:
    async def sleep(self, duration):
        pass


class Store:
    def __init__(self, events):
        self.events = events
        self.seconds = 0

    async def get_events(self, event_ids, allow_rejected=False):
        return {event_id: self.events[event_id] for event_id in event_ids if event_id in self.events}

    async def get_auth_chain_difference(self, room_id, state_sets, conflicted_state, additional):
        begun = time.perf_counter()
        chains = [self.with_auth_chain(state_set) for state_set in state_sets]
        difference = set.union(*chains) - set.intersection(*chains)
        subgraph = None if conflicted_state is None else self.subgraph(conflicted_state)
        self.seconds += time.perf_counter() - begun
        return StateDifference(difference, subgraph)

    def with_auth_chain(self, event_ids):
        seen = set()
        open_ids = list(event_ids)
        while open_ids:
            event_id = open_ids.pop()
            if event_id not in seen:
                seen.add(event_id)
                open_ids.extend(self.events[event_id].auth_event_ids())
        return seen

    def subgraph(self, conflicted):
        behind = self.with_auth_chain(conflicted)
        ahead = {}
        for event_id in behind:
            for cited in self.events[event_id].auth_event_ids():
                ahead.setdefault(cited, []).append(event_id)
        found, open_ids = set(), list(conflicted)
        while open_ids:
            event_id = open_ids.pop()
            if event_id not in found:
                found.add(event_id)
                open_ids.extend(ahead.get(event_id, ()))
        return found


def parse(version, events):
    parsed = {}
    for given in events:
        reason = "rejected" if given["rejected"] else None
        event = make_event_from_json(json.dumps(given["pdu"]), version, {}, rejected_reason=reason)
        parsed[event.event_id] = event
    return parsed


def allows(event, auth_events):
    try:
        check_state_dependent_auth_rules(event, auth_events)
        return True
    except SynapseError:
        return False


async def resolve(version, room_id, states, store, stored):
    events = store.events
    event_map = None if stored else dict(events)
    if version.state_res == StateResolutionVersions.V1:
        return await v1.resolve_events_with_store(room_id, version, states, event_map, store.get_events)
    return await v2.resolve_events_with_store(Clock(), room_id, version, states, event_map, store)


def answer(question):
    version = KNOWN_ROOM_VERSIONS[question["version"]]
    events = parse(version, question["events"])
    room_id = next(iter(events.values())).room_id
    states = [{(kind, key): event_id for kind, key, event_id in state} for state in question["states"]]
    attempts = question.get("attempts", [])
    allowed = [allows(events[event_id], [events[cited] for cited in state]) for event_id, state in attempts]
    times, store_times = [], []
    for _ in range(question.get("runs", 1)):
        if "runs" in question:
            gc.collect()
        store = Store(events)
        begun = time.perf_counter()
        state = asyncio.run(resolve(version, room_id, states, store, question.get("stored", False)))
        times.append((time.perf_counter() - begun) * 1000)
        store_times.append(store.seconds * 1000)
    entries = [[kind, key, event_id] for (kind, key), event_id in state.items()]
    return {"state": entries, "allowed": allowed, "ms": times, "storeMs": store_times}


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
