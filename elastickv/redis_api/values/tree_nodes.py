"""Nodes of a counted tree (`counted_tree`), in memory and as records.

Four kinds of records, under the prefix of the tree:

    n <id:5>           a leaf: <generation:4> <spent:1> <width:1> <count:1> <lengths> <entries>
    n <id:5>           an inner node: <width:1> <count:2> <ids:5 each> <lengths of separators> <separators>
    c <id:5>           how many entries each child of an inner node has, one to four bytes each, little-endian
    s <id:5> <slot:1>  the newest changes of a leaf, those of a batch each: <generation:4> <SEVERAL:1> <changes>

So a change costs a small record and not the leaf again; a leaf is written as a whole when its slots are used up.
Slots are used in order and written over in the next generation, so a leaf is its record and the slots of the same
generation. `spent` is how many slots were ever written, which says what to delete when the leaf goes.
"""

from __future__ import annotations

import sys
from array import array
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from struct import Struct
from typing import Final

from elastickv.kv.keyspace import read_u32, u32
from elastickv.redis_api.values.score_keys import SCORE_BYTES

ID_BYTES: Final = 5
NODE: Final = b"n"
COUNTS: Final = b"c"
SLOT: Final = b"s"

_LEAF = Struct(">IBBB")
_INNER = Struct(">BH")
_TEXTS = Struct(">BH")
_NARROW: Final = 1
_WIDE: Final = 4
"""Bytes of a length."""

CAME: Final = 0
WENT: Final = 1
MOVED: Final = 2
"""Marks of a slot that holds a single change, as earlier versions wrote them: <entry>, and for MOVED, of a member that
has another score and stays in this leaf, <new score> <old entry>."""
SEVERAL: Final = 3
"""The mark of a slot with a list of changes: <0> <length:1> <entry that came>; <0> <255> <length:4> <entry>, if it is
long; <1> <place of the entry that went:1>; <2> <place:1> <new score:8>. Places are as the changes before leave them."""
PLACES: Final = tuple(bytes((place,)) for place in range(256))
_CAME: Final = tuple(bytes((CAME, length)) for length in range(255))
_CAME_LONG: Final = bytes((CAME, 255))
_WENT: Final = tuple(bytes((WENT, place)) for place in range(256))
_MOVED: Final = tuple(bytes((MOVED, place)) for place in range(256))
_SEVERAL: Final = PLACES[SEVERAL]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Leaf:
    """Entries in order. `entries` is None while the leaf is not loaded."""

    id: bytes
    entries: list[bytes] | None = None
    size_bytes: int = 0
    """Of the entries."""
    generation: int = 0
    stamp: bytes = bytes(4)
    """The generation as records have it."""
    used: int = 0
    """Slots of this generation."""
    spent: int = 0
    """Slots ever written, as far as the leaf's record knows."""
    changes: list[bytes] = field(default_factory=list)
    """In `entries`, but not written yet: such a leaf must not be let go."""


@dataclass(slots=True, eq=False)
class Inner:
    """`children` are empty while the node is not loaded.

    Child `i` has the entries from `separators[i - 1]` (included) to `separators[i]` (not included).
    """

    id: bytes
    level: int
    """1 above leaves."""
    children: list[Node] = field(default_factory=list)
    separators: list[bytes] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)


Node = Leaf | Inner


def _typecode(level: int) -> str:
    """Of the counts. A leaf has at most 255 entries, a node above leaves at most 256 children."""
    return "B" if level == 1 else "H" if level == 2 else "I"


def leaf_record(leaf: Leaf) -> bytes:
    assert leaf.entries is not None
    width, lengths = _lengths(leaf.entries)
    head = _LEAF.pack(leaf.generation, leaf.spent, width, len(leaf.entries))
    return b"".join((head, lengths, *leaf.entries))


def pack_texts(texts: Sequence[bytes]) -> bytes:
    """Fewer than 65536 texts: <width:1> <count:2> <lengths> <texts>."""
    width, lengths = _lengths(texts)
    return b"".join((_TEXTS.pack(width, len(texts)), lengths, *texts))


def read_texts(raw: bytes, start: int) -> list[bytes]:
    """What `pack_texts` made, from `start` to the end."""
    width, count = _TEXTS.unpack_from(raw, start)
    return _texts(raw, start + _TEXTS.size, width, count)


def read_leaf(leaf: Leaf, raw: bytes) -> list[bytes]:
    """Fill the leaf, and return its entries."""
    leaf.generation, leaf.spent, width, count = _LEAF.unpack_from(raw)
    leaf.stamp = raw[:4]
    leaf.used = 0
    leaf.entries = _texts(raw, _LEAF.size, width, count)
    leaf.size_bytes = len(raw) - _LEAF.size - count * width
    return leaf.entries


def inner_record(node: Inner) -> bytes:
    width, lengths = _lengths(node.separators)
    ids = [child.id for child in node.children]
    return b"".join((_INNER.pack(width, len(ids)), *ids, lengths, *node.separators))


def read_inner(node: Inner, raw: bytes, counts: bytes) -> None:
    width, count = _INNER.unpack_from(raw)
    start = _INNER.size
    end = start + count * ID_BYTES
    ids = [raw[at : at + ID_BYTES] for at in range(start, end, ID_BYTES)]
    node.children = [Leaf(id) for id in ids] if node.level == 1 else [Inner(id, node.level - 1) for id in ids]
    node.separators = _texts(raw, end, width, count - 1)
    packed = array(_typecode(node.level), counts)
    if sys.byteorder == "big":
        packed.byteswap()
    node.counts = packed.tolist()


def counts_record(node: Inner) -> bytes:
    """Little-endian."""
    if node.level == 1:
        return bytes(node.counts)
    packed = array(_typecode(node.level), node.counts)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def came(entry: bytes) -> bytes:
    """A change for `changes_record`."""
    length = len(entry)
    return _CAME[length] + entry if length < 255 else _CAME_LONG + u32(length) + entry


def went(place: int) -> bytes:
    return _WENT[place]


def moved(place: int, score: bytes) -> bytes:
    return _MOVED[place] + score


def changes_record(stamp: bytes, changes: list[bytes]) -> bytes:
    return b"%b%b%b" % (stamp, _SEVERAL, b"".join(changes))


def read_changes(entries: list[bytes], body: bytes) -> None:
    """Do to the entries what a slot says."""
    at = 0
    while at < len(body):
        mark, number = body[at], body[at + 1]
        at += 2
        if mark == CAME:
            if number == 255:
                number = read_u32(body, at)
                at += 4
            insort(entries, body[at : at + number])
            at += number
        elif mark == WENT:
            del entries[number]
        else:
            assert mark == MOVED, "a mark that this version knows"
            insort(entries, body[at : at + SCORE_BYTES] + entries.pop(number)[SCORE_BYTES:])
            at += SCORE_BYTES


def read_change(raw: bytes) -> tuple[bytes, int, bytes]:
    """(stamp, mark, body)."""
    return raw[:4], raw[4], raw[5:]


def weight(node: Node) -> int:
    """Entries in or under a loaded node."""
    return sum(node.counts) if isinstance(node, Inner) else len(node.entries or ())


def separator(left: bytes, right: bytes) -> bytes:
    """The shortest text that is above `left` and not above `right`; `left` < `right`."""
    return right[: _common(left, right) + 1]


def _common(left: bytes, right: bytes) -> int:
    """Length of the common prefix, found by halving: slices compare at C's speed."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _lengths(texts: Sequence[bytes]) -> tuple[int, bytes]:
    lengths = list(map(len, texts))
    if max(lengths, default=0) < 256:
        return _NARROW, bytes(lengths)
    return _WIDE, Struct(f">{len(lengths)}I").pack(*lengths)


def _texts(raw: bytes, start: int, width: int, count: int) -> list[bytes]:
    body = start + count * width
    lengths = raw[start:body] if width == _NARROW else Struct(f">{count}I").unpack_from(raw, start)
    return [raw[low:high] for low, high in pairwise(accumulate(lengths, initial=body))]
