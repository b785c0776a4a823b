"""What the Redis door counts: plain numbers that INFO, SLOWLOG, LATENCY and the metrics read. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

QUICK_NS = 50_000
"""Calls in a row that together took less are not told apart."""
_BUCKETS = 48
"""Powers of two of nanoseconds: up to 2^47 ns, 39 hours."""
_SLOW_WORDS = 32
_SLOW_WORD_BYTES = 128
_LATENCY_HISTORY = 160


class CommandStats:
    """Figures of one command. The hot loop adds to `ns` and `buckets`, nothing else."""

    __slots__ = ("buckets", "failed", "name", "ns", "rejected")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ns = 0
        """Time spent in the command, nanoseconds."""
        self.buckets = [0] * _BUCKETS
        """Calls by the bit length of the nanoseconds they took."""
        self.failed = 0
        """Calls that were executed and answered with an error."""
        self.rejected = 0
        """Calls that were refused before they were executed."""

    @property
    def calls(self) -> int:
        return sum(self.buckets)

    @property
    def microseconds(self) -> int:
        return self.ns // 1000

    def add(self, nanoseconds: int) -> None:
        self.ns += nanoseconds
        self.buckets[min(nanoseconds.bit_length(), _BUCKETS - 1)] += 1

    def add_row(self, began: int, ends: list[int]) -> None:
        """Calls one right after the other; `ends` says when each was over.

        Where all were quick they count as equal, which spares the hot loop 0.15 µs a call: nobody wants to tell 1 from
        2 µs. As soon as one of them may have been slow, each counts as what it took.
        """
        spent = ends[-1] - began
        count = len(ends)
        self.ns += spent
        if spent < QUICK_NS:
            self.buckets[(spent // count).bit_length()] += count
        else:
            for end in ends:
                self.buckets[(end - began).bit_length()] += 1
                began = end

    def clear(self) -> None:
        self.ns = self.failed = self.rejected = 0
        self.buckets = [0] * _BUCKETS

    def percentile(self, percent: float) -> float:
        """Microseconds that this share of the calls did not exceed, interpolated within a bucket."""
        wanted = self.calls * percent / 100
        seen = 0
        for bits, count in enumerate(self.buckets):
            if count and seen + count >= wanted:
                low = 0 if bits == 0 else 1 << (bits - 1)
                return (low + ((1 << bits) - low) * (wanted - seen) / count) / 1000
            seen += count
        return 0.0

    def histogram(self) -> dict[int, int]:
        """Cumulative calls by power-of-two microseconds, as LATENCY HISTOGRAM shows them."""
        by_limit: dict[int, int] = {}
        for bits, count in enumerate(self.buckets):
            if count:
                limit = 1 << max(0, bits - 10)
                by_limit[limit] = by_limit.get(limit, 0) + count
        total = 0
        for limit in sorted(by_limit):
            total += by_limit[limit]
            by_limit[limit] = total
        return by_limit


@dataclass(frozen=True, slots=True)
class SlowEntry:
    id: int
    unix_seconds: int
    microseconds: int
    argv: list[bytes]
    address: bytes
    client_name: bytes


class SlowLog:
    """Commands that took longer than a threshold, newest first."""

    def __init__(self) -> None:
        self.next_id = 0
        self.max_length = 128
        self.entries: deque[SlowEntry] = deque()

    def add(self, argv: list[bytes], nanoseconds: int, unix_seconds: int, address: bytes, client_name: bytes) -> None:
        words = [_shorten(word) for word in islice(argv, _SLOW_WORDS)]
        if len(argv) > _SLOW_WORDS:
            words[-1] = b"... (%d more arguments)" % (len(argv) - _SLOW_WORDS + 1)
        self.entries.appendleft(SlowEntry(self.next_id, unix_seconds, nanoseconds // 1000, words, address, client_name))
        self.next_id += 1
        self.trim()

    def trim(self) -> None:
        while len(self.entries) > self.max_length:
            self.entries.pop()


def _shorten(word: bytes) -> bytes:
    if len(word) <= _SLOW_WORD_BYTES:
        return word
    return b"%b... (%d more bytes)" % (word[:_SLOW_WORD_BYTES], len(word) - _SLOW_WORD_BYTES)


class LatencyMonitor:
    """Spikes by event name: one figure per second and event, the worst of that second (LATENCY)."""

    def __init__(self) -> None:
        self.threshold_ms = 0
        """0: off."""
        self.events: dict[str, deque[tuple[int, int]]] = {}
        self.worst: dict[str, int] = {}

    def add(self, event: str, unix_seconds: int, milliseconds: int) -> None:
        history = self.events.setdefault(event, deque(maxlen=_LATENCY_HISTORY))
        self.worst[event] = max(self.worst.get(event, 0), milliseconds)
        if history and history[-1][0] == unix_seconds:
            if milliseconds > history[-1][1]:
                history[-1] = (unix_seconds, milliseconds)
        else:
            history.append((unix_seconds, milliseconds))

    def reset(self, events: list[str]) -> int:
        """Forget these events, or all when none is named; how many were forgotten."""
        known = [event for event in events or list(self.events) if event in self.events]
        for event in known:
            del self.events[event]
            del self.worst[event]
        return len(known)


class Statistics:
    """Counters of the whole door. CONFIG RESETSTAT sets them to zero."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.connections_received = 0
        self.connections_rejected = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.forwarded = 0
        """Commands sent to the leader's Redis door."""
        self.forward_retries = 0
        """Commands sent again because the first leader had not executed them."""
        self.outcome_unknown = 0
        self.input_limit_disconnections = 0
        self.output_limit_disconnections = 0
        self.errors: dict[bytes, int] = {}
        """Error replies by their prefix."""

    def error(self, text: bytes) -> None:
        prefix = text.partition(b" ")[0]
        errors = self.errors
        if prefix in errors:
            errors[prefix] += 1
        elif len(errors) < 128:  # prefixes come from scripts too, later: their number must stay bounded
            errors[prefix] = 1
