"""What a command may do, known before it runs: for CLIENT PAUSE WRITE and maxmemory.

For most it stands in the command table. A script says it itself: one with a shebang does what its flags allow, one
without may write, and is asked about memory when it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from elastickv.redis_api.dispatch import Route
    from elastickv.redis_api.state import ServerState

RUN_SCRIPTS: Final = frozenset((b"eval", b"evalsha", b"eval_ro", b"evalsha_ro", b"fcall", b"fcall_ro"))


class Traits(NamedTuple):
    writes: bool
    """It may change data, or send something to all nodes (PUBLISH)."""
    grows: bool
    """It is denied while maxmemory is exceeded."""


def traits_of(state: ServerState, route: Route, argv: list[bytes]) -> Traits:
    if route.runs_script and len(argv) > 1:
        flags = state.scripts.declared_flags(route.name, argv[1])
        if flags is not None:
            reads = route.readonly or b"no-writes" in flags
            return Traits(writes=not reads, grows=not (reads or b"allow-oom" in flags))
    return Traits(writes=route.replicates, grows=route.deny_oom)
