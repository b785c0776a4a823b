"""What CLIENT LIST, CLIENT INFO and ACL LOG tell about a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from elastickv.redis_api.pubsub import Kind
from elastickv.redis_api.resp import encode_command

if TYPE_CHECKING:
    from elastickv.redis_api.session import Session


def describe(session: Session, argv: list[bytes] | None = None) -> bytes:
    """One line of CLIENT LIST. What Redis tells about its own buffers and this server does not have is 0.

    `argv` is what the client executes at this moment, if it is the one who asks.
    """
    figures = session.link.figures()
    words = argv or figures.last_command
    pending = sum(map(len, argv)) if argv else 0
    unread = figures.input_bytes + (len(encode_command(argv)) if argv else 0)
    mode = session.tracking
    flags = (
        ("x" if session.queue is not None else "")
        + ("b" if session.blocked is not None or session.link.waits_at_leader else "")
        + ("O" if session in session.state.monitors else "")
        + ("P" if session.subscriptions else "")
        + ("t" if mode is not None else "")
        + ("R" if mode is not None and mode.broken else "")
        + ("B" if mode is not None and mode.broadcast else "")
        + ("d" if session.dirty else "")
        + ("c" if session.closing else "")
        + ("e" if session.no_evict else "")
        + ("T" if session.no_touch else "")
    )
    queued = session.queue
    names = session.subscriptions.names
    fields = {
        "id": session.id,
        "addr": session.address.decode(),
        "laddr": session.local_address.decode(),
        "fd": figures.descriptor,
        "name": session.name.decode("latin-1"),
        "age": figures.age_seconds,
        "idle": figures.idle_seconds,
        "flags": flags or "N",
        "db": session.call.db.number,
        "sub": len(names[Kind.CHANNEL]),
        "psub": len(names[Kind.PATTERN]),
        "ssub": len(names[Kind.SHARD]),
        "multi": -1 if queued is None else len(queued),
        "qbuf": unread,
        "qbuf-free": 0,
        "argv-mem": pending,
        "multi-mem": sum(len(one) for argv in queued for one in argv) if queued else 0,
        "rbs": 0,
        "rbp": 0,
        "obl": 0,
        "oll": figures.output_parts,
        "omem": figures.output_bytes,
        "tot-mem": unread + pending + figures.output_bytes,
        "events": "r",
        "cmd": _full_name(session, words) if words else "NULL",
        "user": session.user.name.decode("latin-1"),
        "redir": -1 if mode is None else mode.redirect,
        "resp": session.call.protocol,
        "lib-name": session.library_name.decode("latin-1"),
        "lib-ver": session.library_version.decode("latin-1"),
    }
    return " ".join(f"{name}={value}" for name, value in fields.items()).encode("latin-1") + b"\n"


def _full_name(session: Session, words: Sequence[bytes]) -> str:
    name = words[0].decode("latin-1").lower()
    if len(words) > 1 and (full := f"{name}|{words[1].decode('latin-1').lower()}") in session.state.commands:
        return full
    return name
