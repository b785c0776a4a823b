"""Members of a split hash or set: a record each, in the order of their hashes (see `collections`).

Every function gets the prefix that `collections.elements` made. A member comes with its value; members of sets have an
empty one.
"""

from __future__ import annotations

import math
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
_PART: Final = 16
"""A reservoir is at most about such a part of its set."""
_LEAST_PART: Final = 16
_MOST_WAITING: Final = 64
_DRAINED: Final = 4
"""A set with less than this part of the members that it once had is being drained."""
_MOST_DRAINED: Final = 1024
_MOST_RESERVOIRS: Final = 256
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
    return rng.choice(_window(view, prefix, count, _WINDOW, _CROWDED, rng))


def _window(view: View, prefix: bytes, count: int, mean: int, crowded: int, rng: random.Random) -> list[Pair]:
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


class Reservoirs:
    """Members that were drawn for SPOP in advance, of the sets it was used on lately.

    One scan draws a window, and the same number of members of it whatever it holds: each of them is as likely as any
    other of the set. That they are neighbours cannot be seen, because they are so by hash only. A reservoir is a small
    part of its set, so that members which come later do not wait long; who has gone in the meantime is passed over.
    """

    __slots__ = ("_by_prefix",)

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, tuple[list[bytes], int]] = {}
        """Who waits, and the most members that the set had since it was used first."""

    def pick(self, view: View, prefix: bytes, count: int, rng: random.Random) -> bytes:
        """One of `count` members, to be removed."""
        waiting, most = self._by_prefix.get(prefix, ([], 0))
        while waiting:
            member = waiting.pop()
            if get(view, prefix, member) is not None:
                return member
        most = max(most, count)
        found = _in_advance(view, prefix, count, rng, drained=count * _DRAINED < most)
        self._by_prefix.pop(prefix, None)
        self._by_prefix[prefix] = found, most
        if len(self._by_prefix) > _MOST_RESERVOIRS:
            del self._by_prefix[next(iter(self._by_prefix))]
        return found.pop()


def _in_advance(view: View, prefix: bytes, count: int, rng: random.Random, *, drained: bool) -> list[bytes]:
    """Members for a reservoir. `drained`: most of the set has been popped, and until that is flushed a scan wades
    through what was; so it has to bring more."""
    part = min(count // 2, _MOST_DRAINED) if drained else min(count // _PART, _MOST_WAITING)
    if part >= _LEAST_PART:
        window = _window(view, prefix, count, part, part + 5 * math.isqrt(part), rng)
        return [member for member, _ in rng.sample(window, min(part // 2, len(window)))]
    if drained:
        found = [member for member, _ in items(view, prefix)]
        rng.shuffle(found)
        return found
    return [draw(view, prefix, count, rng)[0]]


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
