"""A large sorted set whose leader changes again and again: what a leader keeps in memory of it must never be out of
date when it leads once more."""

from __future__ import annotations

from random import Random

from tests.e2e.conftest import ClusterFactory
from tests.e2e.failover import transfer

SIZE = 3000
ROUNDS = 4


def test_ranks_are_right_under_every_leader(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    rng = Random(1)
    model = {f"member:{number}": float(rng.randrange(1000)) for number in range(SIZE)}
    client = cluster.followers()[0].redis(socket_timeout=30, decode_responses=True)
    client.zadd("z", model)
    for _ in range(ROUNDS):
        pipe = client.pipeline(transaction=False)
        for _ in range(200):
            member = f"member:{rng.randrange(SIZE + 200)}"
            if rng.random() < 0.4 and len(model) > SIZE // 2:
                pipe.zrem("z", member)
                model.pop(member, None)
            else:
                model[member] = float(rng.randrange(1000))
                pipe.zadd("z", {member: model[member]})
        pipe.execute()
        ordered = sorted(model, key=lambda member: (model[member], member.encode()))
        for place in rng.sample(range(len(ordered)), 50):
            assert client.zrank("z", ordered[place]) == place
        assert client.zrange("z", 0, -1) == ordered
        leader = cluster.wait_for_leader()
        transfer(leader)
        cluster.wait_for_leader(unlike=leader)
        assert client.zcard("z") == len(ordered)
        place = rng.randrange(len(ordered))
        assert client.zrevrank("z", ordered[place]) == len(ordered) - 1 - place
