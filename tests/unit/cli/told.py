"""A history of a broker without faults, made up from a seed, for tests that then do something to it."""

import json
import random
from dataclasses import replace

from broker.cli.drills.checker import Checker
from broker.cli.drills.history import Head, Joined, Posted, Received, Sealed
from broker.merkle.tree import Edge, leaf_hash

ALL = ("us-dea", "us-cbp")
CONSUMERS = (("us-dea", "kafka"), ("us-dea", "https"), ("us-cbp", "kafka"))


class World:
    """A broker without faults, as its clients and its log would tell of it; then to be doctored."""

    def __init__(self, packets=12, seed=1):
        chance = random.Random(seed)
        self.entries, self.events, self.time = [], [], 0.0
        for by, via in CONSUMERS:
            self.events.append(Joined(by, via, answers=True))
        for number in range(packets):
            self.packet(f"{number:064x}", chance)
        self.see_heads()

    def tick(self):
        self.time += 1.0
        return self.time

    def log(self, kind, digest=None, actor="in-ncb", **more):
        sealed = next((each for each in self.sealed() if each.digest == digest), None)
        named = {} if sealed is None else {
            "packet": {"from": sealed.by, "id": sealed.id, "digest": digest, "kind": sealed.kind, "to": list(sealed.to)}
        }  # fmt: skip
        self.entries.append({"type": kind, "actor": actor, **named, **more})
        return len(self.entries) - 1

    def packet(self, digest, chance):
        to = chance.choice([ALL, ALL[:1], ALL[1:]])
        sealed = Sealed("in-ncb", digest, f"id-{digest[-6:]}", chance.choice(["tip", "pen"]), to)
        self.events.append(sealed)
        if chance.random() < 0.2:
            self.events.append(Posted("in-ncb", digest, self.tick(), self.tick(), "refused", code="policy-denied"))
            self.log("refused", digest)
            return
        began = self.tick()
        if chance.random() < 0.3:
            self.events.append(Posted("in-ncb", digest, began, self.tick(), "unknown", status=503, wait=2))
        index = self.log("accepted", digest)
        head = self.head(index + 1)
        for _ in range(chance.choice([1, 1, 2])):
            self.events.append(Posted("in-ncb", digest, began, self.tick(), "ok", index, *head))
        for agency in to:
            self.log("delivered", digest, recipient=agency)
            for by, via in CONSUMERS:
                for _ in range(chance.choice([1, 1, 2])) if by == agency else ():
                    topic = f"setu.{agency}.{sealed.kind}"
                    self.events.append(Received(by, via, topic, digest, index, self.tick(), *head))
            self.log("acknowledged", digest, actor=agency)

    def head(self, size):
        return size, Edge.empty().extended(leaf_hash(self.raw(each)) for each in range(size)).root().hex()

    def see_heads(self):
        for gateway in (0, 1):
            size, root = self.head(len(self.entries) - gateway)
            self.events.append(Head("us-audit", gateway, size, root, self.tick()))

    def raw(self, index):
        return json.dumps(self.entries[index]).encode()

    def sealed(self):
        return [each for each in self.events if isinstance(each, Sealed)]

    def first(self, kind, **members):
        """The first event of a class with these members, and its place."""
        for place, each in enumerate(self.events):
            if isinstance(each, kind) and all(getattr(each, name) == value for name, value in members.items()):
                return place, each
        raise AssertionError("none")

    def accepted(self):
        return [index for index, each in enumerate(self.entries) if each["type"] == "accepted"]

    def digest(self, index):
        return self.entries[index]["packet"]["digest"]

    def check(self, entries=None):
        checker = Checker()
        checker.events(self.events)
        for index, entry in enumerate(self.entries) if entries is None else entries:
            checker.entry(index, json.dumps(entry).encode(), entry)
        return checker.close(), checker.counts

    def without(self, kind, **members):
        self.events = [
            each
            for each in self.events
            if not (isinstance(each, kind) and all(getattr(each, name) == value for name, value in members.items()))
        ]

    def change(self, kind, change, **members):
        place, each = self.first(kind, **members)
        self.events[place] = replace(each, **change)
