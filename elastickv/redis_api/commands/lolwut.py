"""LOLWUT: a picture, and the version."""

from __future__ import annotations

import random
from typing import Final

from elastickv.redis_api.argument_docs import integer
from elastickv.redis_api.registry import COMMANDS, Flag, Reply
from elastickv.redis_api.replies import Verbatim
from elastickv.redis_api.session import Call
from elastickv.redis_api.state import REDIS_VERSION

_WIDTH: Final = 66
_WATER: Final = "~~ ~~~ ~ ~~~~ ~~ ~"
_RAFT: Final = ("      |\\      ", "      |_\\     ", "   ___|____   ", "   (______)   ")


@COMMANDS.command(
    "lolwut",
    arity=-1,
    flags=Flag.READONLY | Flag.FAST | Flag.LOCAL,
    group="server",
    since="5.0.0",
    summary="Displays a picture and the version of Redis that this server answers as.",
    complexity="O(1)",
    arguments=(integer("version", token="VERSION", optional=True),),
)
def lolwut(call: Call) -> Reply:
    """A raft at a random place on the sea; what else Redis lets one ask for changes nothing."""
    chance = random.Random(call.now_ms)
    place = chance.randrange(_WIDTH - len(_RAFT[0]))
    lines = [" " * place + line.rstrip() for line in _RAFT]
    for _ in range(3):
        shift = chance.randrange(len(_WATER))
        lines.append((_WATER * 5)[shift : shift + _WIDTH])
    lines += ["", f"Redis ver. {REDIS_VERSION}", ""]
    return Verbatim(b"txt", "\n".join(lines).encode())
