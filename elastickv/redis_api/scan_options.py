"""Words of the SCAN family: the cursor, MATCH, COUNT and TYPE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from elastickv.redis_api import glob
from elastickv.redis_api.argument_docs import Argument, integer, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.errors import INVALID_CURSOR, SYNTAX

_DEFAULT_COUNT: Final = 10
_MAX_CURSOR: Final = (1 << 64) - 1

ARGUMENTS: Final[tuple[Argument, ...]] = (
    integer("cursor"),
    word("pattern", "pattern", token="MATCH", optional=True),
    integer("count", token="COUNT", optional=True),
)


@dataclass(frozen=True, slots=True)
class ScanOptions:
    count: int = _DEFAULT_COUNT
    """About how many elements to look at."""
    matches: glob.Matcher | None = None
    """None: everything does."""
    type: bytes | None = None
    """Lower case."""


def cursor(text: bytes) -> int:
    """As strtoul reads it: an optional sign, which wraps around, and digits up to 64 bits."""
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    if text == b"":
        return 0
    if not digits.isdigit() or len(digits) > 40 or int(digits) > _MAX_CURSOR:
        raise INVALID_CURSOR
    return -int(digits) & _MAX_CURSOR if text.startswith(b"-") else int(digits)


def scan_options(words: Sequence[bytes], *, with_type: bool = False) -> ScanOptions:
    """The options behind the cursor."""
    count = _DEFAULT_COUNT
    pattern = b"*"
    wanted: bytes | None = None
    for at in range(0, len(words), 2):
        option = words[at].upper()
        if at + 1 == len(words):
            raise SYNTAX
        value = words[at + 1]
        if option == b"COUNT":
            count = read_integer(value)
            if count < 1:
                raise SYNTAX
        elif option == b"MATCH":
            pattern = value
        elif option == b"TYPE" and with_type:
            wanted = value.lower()
        else:
            raise SYNTAX
    return ScanOptions(count, None if pattern == b"*" else glob.matcher(pattern), wanted)
