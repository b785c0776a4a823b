"""Seeds that once failed, and what they had found. They run with the quick seeds, for ever.

A change of the simulation itself shifts what a seed does; then a line here is only one more seed, and the story stays
covered where it was told for good: in `tests/raft/test_regressions.py` for the core.
"""

from __future__ import annotations

from typing import Final

REGRESSIONS: Final[dict[int, str]] = {
    3: "a lease read on a leader that had not applied yet what a follower already showed (the driver's rule)",
    573: "a disk was lost while the configuration was joint and nobody was left to leave it (the operator's rule)",
    584: "clients stayed with nodes that had been removed (the simulation's own)",
    1481: "a snapshot took the place of a config entry that was handed out and not applied yet",
    1623: "messages were cut off after everything should have healed (the simulation's own)",
}
