"""MONITOR: every command of this node's clients, as a line, to those who asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from elastickv.redis_api.dispatch import Route, Router
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.registry import Flag

if TYPE_CHECKING:
    from elastickv.redis_api.session import Session

_REDACTED: Final = b'"(redacted)"'
_ESCAPES: Final = {0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t", 0x07: b"\\a", 0x08: b"\\b", 0x5C: b"\\\\", 0x22: b'\\"'}


def quoted(word: bytes) -> bytes:
    """Redis' sdscatrepr."""
    if word.isalnum():
        return b'"%b"' % word
    return b'"%b"' % b"".join(
        _ESCAPES.get(byte) or (bytes((byte,)) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in word
    )


def shown_words(route: Route, argv: Sequence[bytes]) -> list[bytes]:
    """Quoted, passwords hidden."""
    words = [quoted(word) for word in argv]
    if route.name == "auth":
        words[1:] = [_REDACTED] * (len(words) - 1)
    elif route.name == "hello":
        for at in range(1, len(words) - 2):
            if argv[at].lower() == b"auth":
                words[at + 1 : at + 3] = [_REDACTED, _REDACTED]
                break
    elif route.name == "migrate":
        for at in range(6, len(words)):
            option = argv[at].lower()
            if option in (b"auth", b"auth2"):
                secret = words[at + 1 : at + (2 if option == b"auth" else 3)]
                words[at + 1 : at + 1 + len(secret)] = [_REDACTED] * len(secret)
                break
    return words


def feed(session: Session, router: Router, commands: Sequence[list[bytes]]) -> None:
    """This client's commands are about to be executed, or just have been, here or at the leader."""
    if session.forwarded_from or session.peer is not None:
        return  # shown by the node of the client
    head = _head(session, session.call.db.number, session.address)
    lines = []
    for argv in commands:
        try:
            route = router.find(argv)
        except RedisError:
            continue
        hidden = route.internal or Flag.ADMIN in route.command.flags
        if route.accepts(len(argv)) and not hidden:
            lines.append(head + b" ".join(shown_words(route, argv)) + b"\r\n")
    if lines:
        data = b"".join(lines)
        _show(session, data)


def _head(session: Session, database: int, source: bytes) -> bytes:
    seconds, microseconds = divmod(session.state.clock.wall_ms() * 1000, 1_000_000)
    return b"+%d.%06d [%d %b] " % (seconds, microseconds, database, source)


def _show(session: Session, lines: bytes) -> None:
    for monitor in session.state.monitors:
        monitor.link.push_out(lines)


def feed_called(session: Session, route: Route, argv: Sequence[bytes], database: int) -> None:
    """A script has called this; shown where it runs, which is the leader."""
    if Flag.ADMIN not in route.command.flags:
        _show(session, _head(session, database, b"lua") + b" ".join(shown_words(route, argv)) + b"\r\n")
