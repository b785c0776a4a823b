"""Layers laid over the engine's pairs, as one ordered run of pairs: the work of `View.scan`.

Taken in windows and not key by key: of each source as many keys as the window has, up to the place that all of them
reach. They meet in a dict, oldest source first, so what a key costs is a few steps in C, also a key that was deleted
and is passed over. Windows grow, because most scans want little and the others a lot.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from elastickv.kv.layers import Layer, Puts

Pair = tuple[bytes, bytes]

_FIRST_WINDOW: Final = 16
_LARGEST_WINDOW: Final = 512


def merged(
    layers: Sequence[Layer],
    flushed: Iterator[Pair],
    start: bytes,
    end: bytes,
    met: Callable[[int], None],
    *,
    reverse: bool,
) -> Iterator[Pair]:
    """Pairs with start <= key < end (end b"": no upper bound), from the top down when `reverse`.

    `layers` are the newest first and lie over `flushed`, whose pairs come in the order that is wanted. `met` is told
    the place of each layer that has keys among those that were looked at.
    """
    oldest_first = [(place, layers[place]) for place in reversed(range(len(layers)))]
    held: list[Pair] = []
    low, high = start, end
    size = _FIRST_WINDOW
    while True:
        held += islice(flushed, size - len(held))
        runs = [_run(layer.keys(low, high), low, high, size, reverse) for _, layer in oldest_first]
        # How far every source reaches: what has brought fewer keys than were asked for has no more.
        reached = [run[0] if reverse else run[-1] for run in runs if len(run) == size]
        if len(held) >= size:
            reached.append(held[-1][0])
        if not reached:
            stop = None
            pairs, held = held, []
        else:
            stop = max(reached) if reverse else min(reached)
            at = _place(held, stop, reverse)
            pairs, held = held[:at], held[at:]
        found: Puts = dict(pairs)
        sources = 1 if found else 0
        for (place, layer), run in zip(oldest_first, runs, strict=True):
            if found and layer.ranges:
                for key in [key for key in found if layer.masks(key)]:
                    del found[key]
            if not run:
                continue
            if stop is not None:
                run = run[bisect_left(run, stop) :] if reverse else run[: bisect_right(run, stop)]
                if not run:
                    continue
            met(place)
            sources += 1
            found.update(zip(run, map(layer.puts.__getitem__, run), strict=True))
        for key in sorted(found, reverse=reverse) if sources > 1 or reverse else found:
            value = found[key]
            if value is not None:
                yield key, value
        if stop is None:
            return
        if reverse:
            high = stop
        else:
            low = stop + b"\0"
        size = min(size * 2, _LARGEST_WINDOW)


def _run(keys: list[bytes], low: bytes, high: bytes, size: int, reverse: bool) -> list[bytes]:
    """The first (or last) `size` of the keys from `low` to `high` (not included), in order."""
    first = bisect_left(keys, low)
    if reverse:
        last = bisect_left(keys, high) if high else len(keys)
        return keys[max(first, last - size) : last]
    run = keys[first : first + size]
    if high and run and run[-1] >= high:
        del run[bisect_left(run, high) :]
    return run


def _place(pairs: list[Pair], stop: bytes, reverse: bool) -> int:
    """How many of the pairs come before or at `stop`."""
    if reverse:
        return bisect_right(pairs, -1, key=lambda pair: -1 if pair[0] >= stop else 0)
    return bisect_right(pairs, stop, key=lambda pair: pair[0])
