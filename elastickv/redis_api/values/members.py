"""Members of a split hash or set: a record each, in the order of their hashes (see `collections`).

Every function gets the prefix that `collections.elements` made. A member comes with its value; members of sets have an
empty one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Final

from elastickv.kv.keyspace import LONG_KEY, prefix_end, u64
from elastickv.kv.view import View
from elastickv.redis_api.values.collections import member_key, member_of, member_value

Pair = tuple[bytes, bytes]

_SPAN: Final = 1 << 64
_WINDOW: Final = 8
"""Members that a window of `draw` holds on average."""
_CROWDED: Final = 22
"""More are so rare (one window in 100,000) that the chances of their members do not matter."""
_LOAD_ALL: Final = 16
"""A draw costs about as much as reading so many members in a row."""


def get(view: View, prefix: bytes, member: bytes) -> bytes | None:
    stored = view.get(member_key(prefix, member))
    if stored is None or len(member) <= LONG_KEY:
        return stored
    return stored[4 + len(member) :]


def put(view: View, prefix: bytes, member: bytes, value: bytes) -> None:
    view.put(member_key(prefix, member), member_value(member, value))


def delete(view: View, prefix: bytes, member: bytes) -> bool:
    """Whether it was there."""
    physical = member_key(prefix, member)
    if view.get(physical) is None:
        return False
    view.delete(physical)
    return True


def items(view: View, prefix: bytes) -> Iterator[Pair]:
    for physical, stored in view.scan(prefix, prefix_end(prefix)):
        yield member_of(physical, stored)


def walk(view: View, prefix: bytes, cursor: int, count: int) -> tuple[int, list[Pair]]:
    """One step of HSCAN or SSCAN: about `count` members from `cursor` on, and the next cursor (0: that was the end).

    Members of one hash always come together, so whoever is there during the whole iteration is met.
    """
    found: list[Pair] = []
    at = len(prefix)
    last_hash = b""
    for visited, (physical, stored) in enumerate(view.scan(prefix + u64(cursor), prefix_end(prefix))):
        here = physical[at : at + 8]
        if visited >= count and here != last_hash:
            return int.from_bytes(here), found
        last_hash = here
        found.append(member_of(physical, stored))
    return 0, found


def draw(view: View, prefix: bytes, count: int, rng: random.Random) -> Pair:
    """One of `count` (at least one) members, each with the same chance, in constant time.

    The successor of a random place will not do: a member behind a wide gap would come up more often. So the hash order
    is cut into windows of equal width; one is drawn, taken with a chance that grows with the number of members in it,
    and one of them is drawn.
    """
    if count < 2 * _WINDOW:
        return rng.choice(list(items(view, prefix)))
    return rng.choice(window(view, prefix, count, _WINDOW, _CROWDED, rng))


def window(view: View, prefix: bytes, count: int, mean: int, crowded: int, rng: random.Random) -> list[Pair]:
    """The members in one of the windows that hold `mean` of them on average; each member has the same chance to be
    among them. Practically no window holds more than `crowded`."""
    windows = count // mean
    while True:
        number = rng.randrange(windows)
        start = prefix + u64(number * _SPAN // windows)
        end = prefix + u64((number + 1) * _SPAN // windows) if number + 1 < windows else prefix_end(prefix)
        found = list(islice(view.scan(start, end), crowded + 1))
        if len(found) > crowded:
            found = list(view.scan(start, end))
        if rng.random() * crowded < len(found):
            return [member_of(*one) for one in found]


def draw_distinct(view: View, prefix: bytes, count: int, wanted: int, rng: random.Random) -> list[Pair]:
    """`wanted` (fewer than `count`) different members."""
    if wanted * _LOAD_ALL >= count:
        return rng.sample(list(items(view, prefix)), wanted)
    chosen: dict[bytes, bytes] = {}
    while len(chosen) < wanted:
        member, value = draw(view, prefix, count, rng)
        chosen[member] = value
    return list(chosen.items())


def draw_many(view: View, prefix: bytes, count: int, wanted: int, rng: random.Random) -> list[Pair]:
    """`wanted` draws, each from all members."""
    if wanted * _LOAD_ALL >= count:
        return rng.choices(list(items(view, prefix)), k=wanted)
    return [draw(view, prefix, count, rng) for _ in range(wanted)]
