"""How grpcio does its I/O; to be chosen before it is first imported.

Since 2024 grpcio reads and writes sockets on threads of its own ("event engine") and hands each completed operation to
a second thread, which wakes the asyncio loop. The older way has the second thread read the socket itself. With one
message in flight, which is how a leader and its followers work, the thread that is saved is almost a third of what a
round trip costs (docs/decisions/0013-peer-transport.md). A grpcio that no longer knows the older way takes no notice.
"""

from __future__ import annotations

import os
from typing import Final

_VARIABLE: Final = "GRPC_EXPERIMENTS"
_CHOICE: Final = "-event_engine_client,-event_engine_listener"


def choose() -> None:
    """Call this before anything imports grpc. Whoever set the variable himself keeps his choice."""
    os.environ.setdefault(_VARIABLE, _CHOICE)
