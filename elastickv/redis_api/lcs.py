"""Longest common subsequence of two strings, for LCS.

Redis fills a table of (n + 1) * (m + 1) lengths. Here one row is one big integer: bit j says whether the length grows
by one at column j, and a whole row follows from the one above it by an addition and a few masks (Hyyrö, "Bit-parallel
LCS-length computation revisited", 2004). Rows run over the shorter string, and Redis' own bound on the table's size
holds the work below some 20 MB of bits.

The walk back through the table takes the same decisions as Redis', so the same one of several longest subsequences is
found, in the same pieces. Where Redis takes single steps along a run, this jumps to its end.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of bytes that both strings share: inclusive places in each."""

    first_start: int
    first_end: int
    second_start: int
    second_end: int

    @property
    def length(self) -> int:
        return self.first_end - self.first_start + 1


def _rows(short: bytes, long: bytes) -> list[int]:
    """For each prefix of `short` (the empty one first): bit j set where the length grows at byte j of `long`."""
    full = (1 << len(long)) - 1
    masks: dict[int, int] = {}
    backwards = long[::-1]
    for byte in set(short):
        table = bytearray(b"0" * 256)
        table[byte] = ord("1")
        masks[byte] = int(b"0" + backwards.translate(table), 2)
    rows = [0]
    row = full
    for byte in short:
        matching = row & masks[byte]
        row = ((row + matching) | (row - matching)) & full
        rows.append(row ^ full)
    return rows


def length(first: bytes, second: bytes) -> int:
    """How long the longest common subsequence is."""
    if not first or not second:
        return 0
    short, long = sorted((first, second), key=len)
    return _rows(short, long)[-1].bit_count()


def pieces(first: bytes, second: bytes) -> list[Piece]:
    """The subsequence that Redis finds, in runs, the last run first."""
    if not first or not second:
        return []
    matches = _walk_by_second(first, second) if len(second) <= len(first) else _walk_by_first(first, second)
    found: list[Piece] = []
    end: tuple[int, int] | None = None
    start = (0, 0)
    for place in matches:
        if end is not None and (place[0] != start[0] - 1 or place[1] != start[1] - 1):
            found.append(Piece(start[0], end[0], start[1], end[1]))
            end = None
        if end is None:
            end = place
        start = place
    if end is not None:
        found.append(Piece(start[0], end[0], start[1], end[1]))
    return found


def _walk_by_second(first: bytes, second: bytes) -> list[tuple[int, int]]:
    """Matches from the last to the first, rows over the second string."""
    rows = _rows(second, first)
    matches: list[tuple[int, int]] = []
    i, j = len(first), len(second)
    here = rows[j].bit_count()
    """Length for the prefixes i and j."""
    while i and j:
        if first[i - 1] == second[j - 1]:
            i -= 1
            j -= 1
            matches.append((i, j))
            here -= 1
        elif (rows[j - 1] & ((1 << i) - 1)).bit_count() < here:
            # Shorter without this byte of the second string: give up bytes of the first one until it matches.
            i = first.rfind(second[j - 1], 0, i) + 1
        else:
            j -= 1
    return matches


def _walk_by_first(first: bytes, second: bytes) -> list[tuple[int, int]]:
    """Matches from the last to the first, rows over the first string."""
    rows = _rows(first, second)
    matches: list[tuple[int, int]] = []
    i, j = len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            i -= 1
            j -= 1
            matches.append((i, j))
            continue
        # Bytes of the second string go until one matches, or until one is needed for the length.
        needed = (rows[i] & ((1 << j) - 1)).bit_length()
        match = second.rfind(first[i - 1], 0, j) + 1
        if needed == j:
            i -= 1
        else:
            j = max(needed, match)
    return matches
