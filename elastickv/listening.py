"""Which addresses a door can be opened at.

`localhost` usually stands for ::1 and 127.0.0.1, and is so listed in /etc/hosts also where IPv6 is switched off. A door
that insisted on both could not be opened there, so addresses that the machine does not have are left out, as long as
one remains. An address that was given as a number is taken at its word: it is an error if the machine does not own it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def addresses(host: str) -> Sequence[str] | None:
    """What to bind for `host`: numbers; None (every interface) for an empty one.

    Looks names up, so it may take as long as that does: call it when a door is opened. Raises OSError (gaierror) for a
    name that nobody knows.
    """
    if not host:
        return None
    found = dict.fromkeys(
        (family, str(address[0]))
        for family, _, _, _, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    )
    if len(found) == 1:
        return [text for _, text in found]
    return [text for family, text in found if _is_here(family, text)] or [text for _, text in found]


def _is_here(family: int, text: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((text, 0))
    except OSError as error:
        return error.errno not in _ABSENT
    return True
