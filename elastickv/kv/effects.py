"""The replicated mutations and their bytes in a log entry (proto/elastickv/pb/log.proto).

An entry carries effects and not commands: every node, of any version, applies the same bytes. Several writes of one key
in one batch have already melted into the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from elastickv.kv.layers import Layer, Puts
from elastickv.pb.log_pb2 import Effects as _Effects


@dataclass(frozen=True, slots=True)
class Effects:
    """One decoded batch; applied in this order: ranges, then puts (None deletes)."""

    puts: Puts
    ranges: list[tuple[bytes, bytes]]
    timestamp: int


def encode(layer: Layer, timestamp: int = 0) -> bytes:
    """The entry data for a layer's writes; never empty, because empty data is the leader's no-op."""
    message = _Effects()
    puts = layer.puts
    if None in puts.values():
        message.deletes.extend([key for key, value in puts.items() if value is None])
        kept = {key: value for key, value in puts.items() if value is not None}
        message.put_keys.extend(kept.keys())
        message.put_values.extend(kept.values())
    else:
        message.put_keys.extend(puts.keys())
        message.put_values.extend(puts.values())  # type: ignore[arg-type]  # no None among them, as just checked
    for start, end in layer.ranges:
        message.range_starts.append(start)
        message.range_ends.append(end)
    message.timestamp = timestamp
    return message.SerializeToString() or _BARRIER


_BARRIER = _Effects(range_starts=[b"\0"], range_ends=[b"\0"]).SerializeToString()
"""An entry without effect that is not the no-op either: an empty range is deleted."""


def decode(data: bytes) -> Effects:
    """Raises ValueError on bytes that `encode` did not make."""
    message = _Effects()
    try:
        message.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError has no stable base across its implementations
        raise ValueError(f"not an effects record: {error}") from error
    puts: Puts = dict(zip(message.put_keys, message.put_values, strict=True))
    for key in message.deletes:
        puts[key] = None
    ranges = [
        (start, end)
        for start, end in zip(message.range_starts, message.range_ends, strict=True)
        if not end or start < end
    ]
    return Effects(puts, ranges, message.timestamp)
