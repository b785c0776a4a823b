"""What waits in a connection: commands and markers in its backlog, bursts of replies in its outbox."""

from __future__ import annotations

from elastickv.kv.ports import Ticket
from elastickv.redis_api.arguments import string_to_integer
from elastickv.redis_api.resp import Words


class Burst:
    """Replies that go out together, and what they wait for."""

    __slots__ = ("commands", "database", "parts", "retry", "retryable", "ticket", "watches")

    def __init__(
        self, ticket: Ticket | None, parts: list[bytes], commands: list[Words], database: int, retryable: bool
    ) -> None:
        self.ticket = ticket
        """None: nothing, apart from the bursts before it."""
        self.parts = parts
        self.commands = commands
        self.database = database
        """Number that was selected when the burst began."""
        self.retryable = retryable
        """If it turns out not to be in the log it can be executed again from the start."""
        self.retry = False
        """It is not in the log."""
        self.watches = False
        """Keys were watched in it, and none before it: executed again, it watches them anew."""


class Fixed(Words):
    """In a backlog: a reply that is known already."""

    __slots__ = ("last", "reply")

    def __init__(self, reply: bytes, *, last: bool = False) -> None:
        super().__init__((b"",))
        self.reply = reply
        self.last = last
        """The connection closes after it."""


class SelectAgain(Words):
    """In a backlog: what follows was sent while this database was selected."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        super().__init__((b"",))
        self.number = number


class Transaction(Words):
    """ELASTICKV.EXEC, and what is still to be done with its reply."""

    __slots__ = ("guarded", "here", "queue", "selects")

    def __init__(self, queue: list[Words], guarded: bool) -> None:
        super().__init__((b"ELASTICKV.EXEC",))
        self.queue = queue
        self.guarded = guarded
        """Keys were watched over the connection it is sent on: anywhere else it must answer nil."""
        self.here: list[int] = []
        """Places of commands that this node answers itself (Flag.LOCAL)."""
        self.selects: list[tuple[int, bytes]] = []
        """Places of SELECT in what is sent, and the database."""


def queue_in(argv: Words) -> list[Words] | None:
    """The commands that ELASTICKV.EXEC carries, as [number-of-words word ...]...; None when it is damaged."""
    if type(argv) is Transaction:
        return argv.queue
    queue: list[Words] = []
    at = 1
    while at < len(argv):
        count = string_to_integer(argv[at])
        if count is None or count < 1 or at + count >= len(argv):
            return None
        queue.append(argv[at + 1 : at + 1 + count])
        at += 1 + count
    return queue
