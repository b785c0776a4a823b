"""LATENCY GRAPH and DOCTOR: the samples of the latency monitor, drawn and explained."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Final

from elastickv.redis_api.stats import LatencyMonitor

_ROWS: Final = 4
_COLUMNS: Final = 80
_SHADES: Final = " _oO#"

_CAUSES: Final = {
    "command": (
        "Commands took long. SLOWLOG GET names them; reads of whole collections and KEYS are better done in steps "
        "(SCAN, HSCAN, LRANGE with bounds)."
    ),
}


def _since(seconds: int) -> str:
    """Two characters for how long ago: 5s, 3m, 2h, 9d."""
    for unit, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{min(seconds // unit, 99)}{letter}"
    return f"{seconds}s"


def graph(event: str, samples: Sequence[tuple[int, int]], now: int) -> str:
    """Columns of (Unix seconds, milliseconds), highest reaching the top; below each how long ago it was."""
    shown = samples[-_COLUMNS:]
    high, low = max(one[1] for one in samples), min(one[1] for one in samples)
    spread = max(1, high - low)
    steps = [round((milliseconds - low) / spread * (_ROWS * (len(_SHADES) - 1) - 1)) + 1 for _, milliseconds in shown]
    lines = [f"{event} - high {high} ms, low {low} ms (all time high {high} ms)", "-" * _COLUMNS]
    for row in reversed(range(_ROWS)):
        floor = row * (len(_SHADES) - 1)
        lines.append("".join(_SHADES[max(0, min(len(_SHADES) - 1, step - floor))] for step in steps).rstrip())
    labels = [_since(max(0, now - seconds)) for seconds, _ in shown]
    lines.append("")
    for place in range(max(map(len, labels))):
        lines.append("".join(label[place] if place < len(label) else " " for label in labels).rstrip())
    return "\n".join(lines) + "\n"


def analysis(monitor: LatencyMonitor) -> str:
    if not monitor.threshold_ms:
        return "The latency monitor of this node is off: CONFIG SET latency-monitor-threshold <milliseconds>.\n"
    if not monitor.events:
        return f"Nothing took {monitor.threshold_ms} ms or longer on this node since the monitor was turned on.\n"
    parts = ["What took longer than the threshold on this node:"]
    for number, (event, samples) in enumerate(monitor.events.items(), start=1):
        values = [milliseconds for _, milliseconds in samples]
        period = samples[-1][0] - samples[0][0]
        parts.append(
            f"{number}. {event}: {len(values)} spikes (average {fmean(values):.0f} ms, "
            f"worst {monitor.worst[event]} ms) within {period} s. {_CAUSES.get(event, '')}".rstrip()
        )
    return "\n\n".join(parts) + "\n"
