"""Items and index entries in the order of their keys, also where sort keys are folded (`item_keys`).

A group of folded keys lies in the engine in the order of digests. It is read whole, its members' sort keys are looked
up, and it is put in order before the first of them is given out. Groups are what it takes: items of one partition
whose sort keys share their first 320 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from elastickv.dynamodb_api.item_keys import FOLD_BYTES, FOLD_MARK, is_folded
from elastickv.kv.keyspace import prefix_end
from elastickv.kv.view import View

Entry = tuple[bytes, bytes]
"""Engine key, stored value."""
SortOf = Callable[[bytes, bytes], bytes]
"""(engine key, stored value) -> the sort key in full, as bytes in its order."""

NO_TAIL: Final = 0


def walk(
    view: View,
    start: bytes,
    end: bytes,
    *,
    reverse: bool = False,
    sort_of: SortOf | None = None,
    tail: int = NO_TAIL,
    after: tuple[bytes, bytes] | None = None,
) -> Iterator[Entry]:
    """Entries with start <= key < end, from the top down when `reverse`.

    `sort_of` is None where no key can be folded. `tail` bytes follow the sort key in an engine key. `after` is where an
    earlier walk ended, (engine key, its sort key in full): this one begins behind it, whether it is still there or
    not.
    """
    skip: tuple[bytes, tuple[bytes, bytes]] | None = None
    if after is not None:
        key, raw = after
        group = _group(key, tail) if sort_of is not None else None
        if group is None:
            if reverse:
                end = min(end, key) if end else key
            else:
                start = max(start, key + b"\0")
        else:
            # The group is not in the order of its keys: begin at its edge, and leave out what was given out before.
            if reverse:
                edge = prefix_end(group)
                end = min(end, edge) if end else edge
            else:
                start = max(start, group)
            skip = group, (raw, key)
    found = view.scan(start, end, reverse=reverse)
    if sort_of is None:
        yield from found
        return
    current: bytes | None = None
    members: list[tuple[bytes, bytes, bytes]] = []
    last = -1 - tail
    for key, value in found:
        if key[last] != FOLD_MARK and current is None:
            yield key, value
            continue
        group = _group(key, tail)
        if group != current:
            if members:
                yield from _ordered(members, current, skip, reverse)
                members = []
            current = group
        if group is None:
            yield key, value
        else:
            members.append((sort_of(key, value), key, value))
    if members:
        yield from _ordered(members, current, skip, reverse)


def _group(key: bytes, tail: int) -> bytes | None:
    """How the keys of this key's group begin; None when it is not folded."""
    encoded = key[: len(key) - tail]
    return encoded[:-FOLD_BYTES] if is_folded(encoded) else None


def _ordered(
    members: list[tuple[bytes, bytes, bytes]],
    group: bytes | None,
    skip: tuple[bytes, tuple[bytes, bytes]] | None,
    reverse: bool,
) -> Iterator[Entry]:
    members.sort(key=lambda member: member[:2], reverse=reverse)
    for raw, key, value in members:
        if skip is not None and skip[0] == group and ((raw, key) == skip[1] or ((raw, key) < skip[1]) is not reverse):
            continue
        yield key, value
