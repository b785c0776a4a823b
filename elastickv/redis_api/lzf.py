"""LZF, the compression inside RDB files and DUMP payloads (Marc Lehmann's liblzf format).

    000LLLLL  <L+1 bytes>            literal run
    LLLooooo  oooooooo               L+2 bytes from o+1 bytes back (L 1 to 6)
    111ooooo  LLLLLLLL  oooooooo     L+9 bytes from o+1 bytes back

The coder finds matches with a table of three-byte words, as liblzf does, so the output has about the same size. It is
plain Python: callers bound what they hand it.
"""

from __future__ import annotations

from typing import Final

_MAX_LITERAL: Final = 1 << 5
_MAX_OFFSET: Final = 1 << 13
_MAX_MATCH: Final = (1 << 8) + (1 << 3)
_GIVE_UP_AT: Final = 1 << 16
"""What has not shrunk by 3 % up to here is taken for something compressed already."""


def compress(data: bytes, limit: int) -> bytes | None:
    """`data` in at most `limit` bytes, or None when it does not shrink that far."""
    size = len(data)
    out = bytearray()
    seen: dict[bytes, int] = {}
    literal_start = 0
    at = 0
    while at < size - 2:
        word = data[at : at + 3]
        match_at = seen.get(word)
        seen[word] = at
        if match_at is None or at - match_at > _MAX_OFFSET:
            at += 1
            if at == _GIVE_UP_AT and len(out) + at - literal_start > at * 31 // 32:
                return None
            continue
        length = _common(data, match_at, at, min(_MAX_MATCH, size - at))
        _literals(out, data, literal_start, at)
        offset = at - match_at - 1
        if length < 9:
            out.append((length - 2) << 5 | offset >> 8)
        else:
            out.append(7 << 5 | offset >> 8)
            out.append(length - 9)
        out.append(offset & 0xFF)
        if len(out) > limit:
            return None
        at += length
        literal_start = at
        # The words at the seam are worth remembering, those inside the match are there already.
        for inner in (at - 2, at - 1):
            seen[data[inner : inner + 3]] = inner
    _literals(out, data, literal_start, size)
    return bytes(out) if len(out) <= limit else None


def _common(data: bytes, one: int, other: int, most: int) -> int:
    """How many bytes are alike from two places on; at least three are known to be, at most `most` count."""
    low, step = 3, 16
    while low < most and data[one + low : one + low + step] == data[other + low : other + low + step]:
        low += step
        step *= 2
    if low >= most:
        return most
    high = min(low + step, most)
    while low < high and data[one + low] == data[other + low]:
        low += 1
    return low


def _literals(out: bytearray, data: bytes, start: int, end: int) -> None:
    for at in range(start, end, _MAX_LITERAL):
        run = data[at : min(at + _MAX_LITERAL, end)]
        out.append(len(run) - 1)
        out += run


def decompress(data: bytes, size: int) -> bytes:
    """The `size` bytes that `data` stands for. ValueError when it is damaged or says something else."""
    out = bytearray()
    at = 0
    end = len(data)
    try:
        while at < end:
            control = data[at]
            at += 1
            if control < _MAX_LITERAL:
                stop = at + control + 1
                if stop > end:
                    raise ValueError("literal run ends early")
                out += data[at:stop]
                at = stop
            else:
                length = control >> 5
                if length == 7:
                    length += data[at]
                    at += 1
                start = len(out) - ((control & 0x1F) << 8 | data[at]) - 1
                at += 1
                length += 2
                if start < 0:
                    raise ValueError("reference before the beginning")
                chunk = out[start : start + length]
                if len(chunk) < length:
                    # The match overlaps what it writes: its bytes repeat.
                    chunk = (chunk * (length // len(chunk) + 1))[:length]
                out += chunk
            if len(out) > size:
                raise ValueError("longer than announced")
    except IndexError:
        raise ValueError("reference ends early") from None
    if len(out) != size:
        raise ValueError("shorter than announced")
    return bytes(out)
