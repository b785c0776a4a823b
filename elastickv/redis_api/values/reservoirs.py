"""Members of split sets that were drawn in advance, for SPOP.

A draw from the keyspace is a scan, and a scan costs more than all the rest of an SPOP; the more so while a set is
drained, because what was popped lies in its way until that is flushed (a scan for each pop of a set of 80,000 members
once held up the loop for a second). So one scan brings many members:

- Of a set of up to `_WHOLE` members, or one that has been drained to `_WHOLE_DRAINED`, *all*. From then on the
  reservoir hears of members that come and go, so that it always has exactly those of the set, and a pop draws from it.
- Of a larger one a *window* of neighbours in hash order, and of that the same number of members whatever it holds:
  so each of them is as likely as any other of the set. That they are neighbours cannot be seen, because they are so by
  hash only. Who comes later waits until they are used up; they are a small part of the set.

A reservoir never decides who is a member: whoever is drawn and is not there any more is passed over. A pop that was
undone leaves its member out until the next scan.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Final

from elastickv.kv.view import View
from elastickv.redis_api.values.collections import member_key
from elastickv.redis_api.values.members import items, window

_WHOLE: Final = 1 << 14
_DRAINED: Final = 4
"""A set with less than this part of the members that it once had is being drained."""
_WHOLE_DRAINED: Final = 1 << 16
_PART: Final = 16
"""A window is about such a part of its set."""
_WIDEST: Final = 4096
"""Members of a window; looking at as many takes a few milliseconds."""
_MOST_RESERVOIRS: Final = 256
_MOST_WAITING: Final = 1 << 18
"""Members in all reservoirs, as of the last scan; they take some 100 bytes each."""


@dataclass(slots=True)
class _Reservoir:
    most: int
    """Members that the set had at most, as far as scans have seen."""
    waiting: list[bytes] = field(default_factory=list)
    whole: bool = False
    """`waiting` has all members, and those in `gone`."""
    gone: set[bytes] = field(default_factory=set)
    """Removed by other means than a pop, but still among those that wait."""


class Reservoirs:
    """By the prefix of the set's elements; the one that was filled longest ago goes first."""

    __slots__ = ("_by_prefix",)

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, _Reservoir] = {}

    def clear(self) -> None:
        self._by_prefix.clear()

    def pop(self, view: View, prefix: bytes, count: int, times: int, rng: random.Random) -> list[bytes]:
        """Remove so many of the set's `count` members one after the other, each time each with the same chance."""
        get, delete = view.get, view.delete
        reservoir = self._by_prefix.get(prefix)
        popped: list[bytes] = []
        while len(popped) < times:
            if reservoir is None or not reservoir.waiting:
                reservoir = self._fill(view, prefix, count - len(popped), rng)
            waiting = reservoir.waiting
            if reservoir.whole:
                at = int(rng.random() * len(waiting))
                member = waiting[at]
                waiting[at] = waiting[-1]
                waiting.pop()
                if reservoir.gone:
                    reservoir.gone.discard(member)
            else:
                member = waiting.pop()
            physical = member_key(prefix, member)
            if get(physical) is not None:
                delete(physical)
                popped.append(member)
        return popped

    def came(self, prefix: bytes, member: bytes) -> None:
        """A member that was not in the set is in it now."""
        reservoir = self._by_prefix.get(prefix)
        if reservoir is None or not reservoir.whole:
            return
        if member in reservoir.gone:
            reservoir.gone.discard(member)
        elif len(reservoir.waiting) < _WHOLE_DRAINED:
            reservoir.waiting.append(member)
        else:
            del self._by_prefix[prefix]

    def went(self, prefix: bytes, member: bytes) -> None:
        """A member was removed, but not by `pop`."""
        reservoir = self._by_prefix.get(prefix)
        if reservoir is not None and reservoir.whole:
            reservoir.gone.add(member)

    def _fill(self, view: View, prefix: bytes, count: int, rng: random.Random) -> _Reservoir:
        before = self._by_prefix.pop(prefix, None)
        reservoir = _Reservoir(max(count, before.most if before is not None else 0))
        if count <= _WHOLE or (count <= _WHOLE_DRAINED and count * _DRAINED < reservoir.most):
            reservoir.waiting = [member for member, _ in items(view, prefix)]
            reservoir.whole = True
        else:
            part = min(count // _PART, _WIDEST)
            spread = math.isqrt(part)
            found = window(view, prefix, count, part, part + 5 * spread, rng)
            # So many are in practically every window.
            taken = max(part - 4 * spread, part // 2)
            reservoir.waiting = [member for member, _ in rng.sample(found, min(taken, len(found)))]
        self._by_prefix[prefix] = reservoir
        held = sum(len(one.waiting) for one in self._by_prefix.values())
        while len(self._by_prefix) > _MOST_RESERVOIRS or (held > _MOST_WAITING and len(self._by_prefix) > 1):
            oldest = next(iter(self._by_prefix))
            held -= len(self._by_prefix.pop(oldest).waiting)
        return reservoir
