"""One hot key of each kind under pipelines, and its leader lost again and again: what stays open during a batch, and
what a leader keeps in memory, is on the other nodes as clients saw it."""

from __future__ import annotations

from random import Random
from typing import Any

import redis

from tests.e2e.conftest import ClusterFactory

MEMBERS = 3000
PIPELINES = 120
ROUNDS = 3


class Model:
    """The same collections in Python, checked by every reply."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.list: list[bytes] = []
        self.set: set[bytes] = set()
        self.hash: dict[bytes, bytes] = {}
        self.zset: dict[bytes, float] = {}

    def command(self) -> list[tuple[Any, ...]]:
        """A random command, sometimes several times in a row."""
        rng = self.rng
        member = b"m%d" % rng.randrange(MEMBERS)
        times = rng.choice((1, 1, 2, 16))
        match rng.randrange(10):
            case 0:
                return [("LPUSH", "l", member, member * 9)]
            case 1:
                return [("RPUSH", "l", member, b"x" * 60)]
            case 2:
                return [(rng.choice(("LPOP", "RPOP")), "l")] * times
            case 3:
                return [("SADD", "s", *(b"m%d" % rng.randrange(MEMBERS) for _ in range(20)))]
            case 4:
                return [("SREM", "s", member)]
            case 5:
                return [("SPOP", "s")] * times
            case 6:
                return [("HSET", "h", member, b"%d" % rng.randrange(10**6))]
            case 7:
                return [("HDEL", "h", member)]
            case 8:
                score = rng.randrange(500)
                return [("ZADD", "z", score, member, score, member + b"a")]
            case _:
                return [(rng.choice(("ZPOPMIN", "ZPOPMAX")), "z")] * times

    def check(self, command: tuple[Any, ...], reply: Any) -> None:
        name, _, *words = command
        match name:
            case "LPUSH":
                self.list[:0] = reversed(words)
                assert reply == len(self.list)
            case "RPUSH":
                self.list += words
                assert reply == len(self.list)
            case "LPOP" | "RPOP":
                assert reply == (self.list.pop(0 if name == "LPOP" else -1) if self.list else None)
            case "SADD":
                assert reply == len(set(words) - self.set)
                self.set.update(words)
            case "SREM":
                assert reply == len(self.set.intersection(words))
                self.set.difference_update(words)
            case "SPOP":
                assert reply in self.set if self.set else reply is None
                self.set.discard(reply)
            case "HSET":
                assert reply == (words[0] not in self.hash)
                self.hash[words[0]] = words[1]
            case "HDEL":
                assert reply == (self.hash.pop(words[0], None) is not None)
            case "ZADD":
                assert reply == len({words[1], words[3]} - self.zset.keys())
                self.zset.update({words[1]: float(words[0]), words[3]: float(words[2])})
            case _:
                assert reply == self.popped(lowest=name == "ZPOPMIN")

    def popped(self, *, lowest: bool) -> list[tuple[bytes, float]]:
        if not self.zset:
            return []
        choose = min if lowest else max
        member = choose(self.zset, key=lambda one: (self.zset[one], one))
        return [(member, self.zset.pop(member))]

    def compare(self, client: redis.Redis) -> None:
        assert client.lrange("l", 0, -1) == self.list
        assert client.smembers("s") == self.set
        assert client.hgetall("h") == self.hash
        ordered = sorted(self.zset.items(), key=lambda one: (one[1], one[0]))
        assert client.zrange("z", 0, -1, withscores=True) == ordered
        sizes = [client.llen("l"), client.scard("s"), client.hlen("h"), client.zcard("z")]
        assert sizes == [len(self.list), len(self.set), len(self.hash), len(self.zset)]


def test_another_leader_has_what_clients_saw(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    rng = Random(7)
    model = Model(rng)
    for number in range(ROUNDS):
        leader = cluster.wait_for_leader()
        client = leader.redis(socket_timeout=30)
        for _ in range(PIPELINES):
            pipe: Any = client.pipeline(transaction=rng.random() < 0.15)
            commands = [one for _ in range(rng.choice((1, 5, 60, 300))) for one in model.command()]
            for command in commands:
                pipe.execute_command(*command)
            for command, reply in zip(commands, pipe.execute(), strict=True):
                model.check(command, reply)
        if number % 2:
            leader.stop()
        else:
            leader.kill()
        model.compare(cluster.wait_for_leader(unlike=leader).redis(socket_timeout=30))
        leader.start()
        cluster.wait_until_ready()
