"""What the server remembers about one connection, and the `Call` that a handler gets.

No I/O here: `server` owns the socket and fills in `Session`, `dispatch` runs commands, handlers read and change it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from elastickv.kv.view import View

if TYPE_CHECKING:
    from elastickv.redis_api.values.database import Database, Databases


class Call:
    """One command in execution. There is one object per session, used again and again: do not keep it."""

    __slots__ = ("argv", "databases", "db", "protocol", "session", "view")

    def __init__(self, session: Session, databases: Databases, view: View) -> None:
        self.argv: list[bytes] = []
        """The words as they came, the name first."""
        self.session = session
        self.databases = databases
        self.db: Database = databases.numbered[0]
        """The database that the session has selected."""
        self.view = view
        self.protocol = 2
        """RESP version that the reply will be encoded in."""

    @property
    def now_ms(self) -> int:
        """Wall clock of the burst, decided once on the leader."""
        return self.view.now_ms


class Session:
    """State of one client connection."""

    __slots__ = ("call",)

    def __init__(self, databases: Databases, view: View) -> None:
        self.call: Final = Call(self, databases, view)


_ = (Callable, Any)
