"""RawKV's data: plain keys and values, with versions, as pure functions on a view.

Three kinds of records (prefixes: see `keyspace`):

    r <key>                                    what the key is now: commit timestamp, timestamp of the version before,
                                               and the value, or that it is deleted
    h <key length:2> <key> <inverted ts:8>     a version: value, or deletion
    p <ts:8>                                   purge index: at this timestamp, <key>'s version <ts:8> was superseded

Keys lie under `r` as they are, so a scan is a range. Versions need no order between keys, only nearness of one key's:
hence the length in front, which makes the versions of a key one unbroken run, whatever bytes keys are made of. Within
the run the newest comes first, so a read at a timestamp is one step of a scan; and because the current record knows its
predecessor, most such reads are a plain get, and a key that is younger than the timestamp costs nothing.

A small value sits in the current record and is copied to a version when it is superseded. A larger one is written as
a version at once, and the current record points there: else each overwrite would send the old value through the log
again.

The purge index is in time order, so purging costs what it removes, not what exists. One timestamp belongs to one write,
so it names at most one superseded version; if the write was a deletion, the same index record stands for the deletion,
which nobody needs any more once everything it hides is gone.

The horizon is the timestamp up to which versions have been purged. A read at or after it is exact; an older one is
refused (COMPACTED), never answered from what happens to be left. The retention window is refused as exactly,
so that what a client sees does not depend on how far the purge has come.

Timestamps that lie ahead of the clock are refused: what is written later could still get a smaller timestamp, and two
reads of the same "past" would differ. For the same reason a timestamp that the wall clock has reached, but that was
not handed out yet, is first taken: the hybrid clock moves past it, durably.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from elastickv.errors import Fault, KvError
from elastickv.kv.hybrid_clock import earliest
from elastickv.kv.keyspace import MAX_ENGINE_KEY, META, prefix_end, read_u64, u64

if TYPE_CHECKING:
    from elastickv.kv.view import View

CURRENT: Final = b"r"
VERSION: Final = b"h"
PURGE: Final = b"p"
HORIZON: Final = META + b"raw.horizon"

MAX_KEY_BYTES: Final = MAX_ENGINE_KEY - len(VERSION) - 2 - 8
"""500. Longer keys would have to be folded, and folded keys do not scan in order; so they are refused instead."""

INLINE_BYTES: Final = 1024
"""Larger values are kept as versions from the start."""

DEFAULT_RETENTION_MS: Final = 30 * 60 * 1000

_CURRENT_END: Final = prefix_end(CURRENT)
_LAST: Final = (1 << 64) - 1

# How a record goes on after its timestamps.
_DELETED: Final = 0
_INLINE: Final = 1
_AT_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class _Current:
    ts: int
    """When it was committed."""
    before: int
    """The version before this one; 0 when there is none (or it was purged with the deletion that hid it)."""
    kind: int
    inline: bytes

    @staticmethod
    def decode(record: bytes) -> _Current:
        return _Current(read_u64(record), read_u64(record, 8), record[16], record[17:])

    def encode(self) -> bytes:
        return u64(self.ts) + u64(self.before) + bytes((self.kind,)) + self.inline


def _version_key(key: bytes, ts: int) -> bytes:
    return VERSION + len(key).to_bytes(2, "big") + key + u64(_LAST - ts)


def check_key(key: bytes) -> None:
    """Raise unless `key` can be stored."""
    if not key:
        raise KvError(Fault.BAD_REQUEST, "the key is empty")
    if len(key) > MAX_KEY_BYTES:
        raise KvError(Fault.TOO_LARGE, f"the key has {len(key)} bytes; the limit is {MAX_KEY_BYTES}")


# ---- writing --------------------------------------------------------------------------------------------------------


def put(view: View, key: bytes, value: bytes) -> int:
    """Store `value`; returns the commit timestamp."""
    check_key(key)
    ts = view.timestamp()
    before = _supersede(view, key, ts)
    if len(value) <= INLINE_BYTES:
        view.put(CURRENT + key, _Current(ts, before, _INLINE, value).encode())
    else:
        view.put(_version_key(key, ts), bytes((_INLINE,)) + value)
        view.put(CURRENT + key, _Current(ts, before, _AT_VERSION, b"").encode())
    return ts


def delete(view: View, key: bytes) -> bool:
    """Delete; False, and nothing is written, when there is nothing to delete."""
    check_key(key)
    record = view.get(CURRENT + key)
    if record is None or record[16] == _DELETED:
        return False
    ts = view.timestamp()
    before = _supersede(view, key, ts)
    view.put(CURRENT + key, _Current(ts, before, _DELETED, b"").encode())
    return True


def _supersede(view: View, key: bytes, ts: int) -> int:
    """Make what the key is now a version that ends at `ts`; returns its timestamp, or 0 when there is none."""
    record = view.get(CURRENT + key)
    if record is None:
        return 0
    current = _Current.decode(record)
    if current.kind != _AT_VERSION:
        view.put(_version_key(key, current.ts), bytes((current.kind,)) + current.inline)
    view.put(PURGE + u64(ts), u64(current.ts) + key)
    return current.ts


# ---- reading --------------------------------------------------------------------------------------------------------


def get(view: View, key: bytes, ts: int = 0, *, retention_ms: int = DEFAULT_RETENTION_MS) -> bytes | None:
    """The value at `ts` (0: now), or None."""
    check_key(key)
    check_timestamp(view, ts, retention_ms)
    record = view.get(CURRENT + key)
    return None if record is None else _value_at(view, key, record, ts)


def latest_ts(view: View, key: bytes = b"") -> int:
    """Commit timestamp of the key's newest write (a deletion counts until it is purged), 0 when there is none.

    For the empty key: the newest timestamp handed out in the whole store, which no write exceeds.
    """
    if not key:
        _rest_on_clock(view)
        return view.last_timestamp
    check_key(key)
    record = view.get(CURRENT + key)
    return 0 if record is None else read_u64(record)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a scan."""

    pairs: list[tuple[bytes, bytes]]
    resume: bytes | None
    """Where the rest begins (forward) or ends (reverse); None when the scan is complete."""
    ts: int
    """Read the rest at this timestamp to see the same snapshot."""
    size: int
    """Bytes that the pairs count for."""


def scan(
    view: View,
    start: bytes,
    end: bytes,
    limit: int,
    ts: int = 0,
    *,
    reverse: bool = False,
    keys_only: bool = False,
    max_visited: int = 4096,
    max_bytes: int = 1 << 26,
    pair_bytes: int = 0,
    retention_ms: int = DEFAULT_RETENTION_MS,
) -> Page:
    """Up to `limit` pairs with start <= key < end (end b"": to the end) as they were at `ts` (0: now).

    Looks at no more than `max_visited` keys, deleted and too young ones included, so that one turn of the executor
    stays short; the page says where to go on. Raises TOO_LARGE when the pairs, each
    counted as its key, its value and `pair_bytes`, exceed `max_bytes`.
    """
    check_timestamp(view, ts, retention_ms)
    pairs: list[tuple[bytes, bytes]] = []
    if limit <= 0 or (end and start >= end):
        return Page(pairs, None, ts, 0)
    size = 0
    # No key is longer than the limit, so a longer bound says the same when it is cut one byte behind the limit.
    low, high = CURRENT + start[: MAX_KEY_BYTES + 1], CURRENT + end[: MAX_KEY_BYTES + 1] if end else _CURRENT_END
    for visited, (stored, record) in enumerate(view.scan(low, high, reverse=reverse), 1):
        key = stored[1:]
        value = _value_at(view, key, record, ts, keys_only)
        if value is not None:
            size += len(key) + len(value) + pair_bytes
            if size > max_bytes:
                raise KvError(Fault.TOO_LARGE, "the answer would be too large; ask for fewer pairs at a time")
            pairs.append((key, value))
            if len(pairs) == limit:
                break
        if visited == max_visited:
            if ts == 0:
                _rest_on_clock(view)
            return Page(pairs, key if reverse else key + b"\0", ts or view.last_timestamp, size)
    return Page(pairs, None, ts, size)


def _value_at(view: View, key: bytes, record: bytes, ts: int, keys_only: bool = False) -> bytes | None:
    """The value of the key at `ts` (0: now) or None; b"" instead of the value when `keys_only`."""
    current = _Current.decode(record)
    if ts == 0 or current.ts <= ts:
        if current.kind == _DELETED:
            return None
        if current.kind == _INLINE:
            return b"" if keys_only else current.inline
        return b"" if keys_only else _version(view, key, current.ts)
    if current.before == 0:
        return None
    if current.before <= ts:
        version = view.get(_version_key(key, current.before))
    else:
        run_end = _version_key(key, 0) + b"\0"
        version = next((body for _, body in view.scan(_version_key(key, ts), run_end)), None)
    if version is None or version[0] == _DELETED:
        return None
    return b"" if keys_only else version[1:]


def _version(view: View, key: bytes, ts: int) -> bytes:
    version = view.get(_version_key(key, ts))
    if version is None:
        raise KvError(Fault.INTERNAL, f"version {ts} of key {key!r} is missing")
    return version[1:]


def check_timestamp(view: View, ts: int, retention_ms: int) -> None:
    """Raise unless a read at `ts` (0: now) can be answered exactly, today and whenever it is repeated."""
    if ts == 0:
        return
    if ts > view.last_timestamp and ts > view.timestamp():
        raise KvError(Fault.BAD_REQUEST, f"timestamp {ts} lies ahead of the store's clock ({view.last_timestamp})")
    _rest_on_clock(view)
    if ts < max(horizon(view), earliest(view.now_ms - retention_ms)):
        raise KvError(Fault.COMPACTED, f"timestamp {ts} is older than the history that is kept ({retention_ms} ms)")


def _rest_on_clock(view: View) -> None:
    """Make the answer rest on the newest timestamp: were it lost with this leader, the next could repeat it."""
    for batch in (view.forming, *reversed(view.inflight)):
        if batch.timestamp:
            view.depend(batch)
            return


# ---- purging --------------------------------------------------------------------------------------------------------


def horizon(view: View) -> int:
    """Reads before this timestamp are refused."""
    record = view.get(HORIZON)
    return 0 if record is None else read_u64(record)


def purge(view: View, before_ts: int, limit: int) -> int:
    """Remove what no read at `before_ts` or later can need, at most `limit` versions, oldest first; returns how many.

    Writes nothing when there is nothing to remove.
    """
    if limit <= 0 or before_ts <= 0:
        return 0
    # All entries before the horizon are gone, so there is no need to skip over their remains again.
    entries = view.scan(PURGE + u64(horizon(view)), PURGE + u64(min(before_ts + 1, _LAST)))
    removed = ended = 0
    for index_key, entry in list(islice(entries, limit)):
        ended = read_u64(index_key, 1)
        began, key = read_u64(entry), entry[8:]
        view.delete(_version_key(key, began))
        record = view.get(CURRENT + key)
        if record is not None and record[16] == _DELETED and read_u64(record) == ended:
            view.delete(CURRENT + key)
        view.delete(index_key)
        removed += 1
    if removed:
        view.put(HORIZON, u64(ended))
    return removed
