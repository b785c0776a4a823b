"""The first line of a script: `#!lua flags=no-writes,allow-stale`; of a library: `#!lua name=mylib`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.resp import split_words

FLAGS: Final = (b"allow-oom", b"allow-stale", b"no-cluster", b"no-writes", b"allow-cross-slot-keys")

_INVALID: Final = RedisError(b"ERR Invalid script shebang")
_MISSING: Final = RedisError(b"ERR Missing library metadata")
_BAD_LIBRARY: Final = RedisError(b"ERR Invalid library metadata")
_NAME_TWICE: Final = RedisError(b"ERR Invalid metadata value, name argument was given multiple times")
_NO_NAME: Final = RedisError(b"ERR Library name was not given")
BAD_NAME: Final = RedisError(
    b"ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
)


@dataclass(frozen=True, slots=True)
class ScriptHead:
    """What the shebang of a script says."""

    text: bytes
    """The script without it; its line stays, empty, so that line numbers are right."""
    flags: frozenset[bytes]
    compatible: bool
    """There is no shebang: the rules of before Redis 7 hold."""


_PLAIN: Final[frozenset[bytes]] = frozenset()


def script_head(source: bytes) -> ScriptHead:
    if not source.startswith(b"#!"):
        return ScriptHead(source, _PLAIN, True)
    line, newline, rest = source.partition(b"\n")
    if not newline:
        raise _INVALID
    words = split_words(line)
    if not words:
        raise _INVALID
    if words[0] != b"#!lua":
        raise RedisError(b"ERR Unexpected engine in script shebang: " + words[0])
    flags: set[bytes] = set()
    for word in words[1:]:
        if not word.startswith(b"flags="):
            raise RedisError(b"ERR Unknown lua shebang option: " + word)
        for flag in word.removeprefix(b"flags=").split(b","):
            if not flag:
                continue
            if flag not in FLAGS:
                raise RedisError(b"ERR Unexpected flag in script shebang: " + flag)
            flags.add(flag)
    return ScriptHead(b"\n" + rest, frozenset(flags), False)


@dataclass(frozen=True, slots=True)
class LibraryHead:
    name: bytes
    text: bytes


def is_name(name: bytes) -> bool:
    return bool(name) and all(byte == 95 or 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 for byte in name)


def library_head(code: bytes) -> LibraryHead:
    if not code.startswith(b"#!"):
        raise _MISSING
    line, newline, rest = code.partition(b"\n")
    if not newline:
        raise _BAD_LIBRARY
    words = split_words(line)
    if not words:
        raise _BAD_LIBRARY
    engine = words[0].removeprefix(b"#!")
    name: bytes | None = None
    for word in words[1:]:
        if not word.lower().startswith(b"name="):
            raise RedisError(b"ERR Invalid metadata value given: " + word)
        if name is not None:
            raise _NAME_TWICE
        name = word[len(b"name=") :]
    if name is None:
        raise _NO_NAME
    if not is_name(name):
        raise BAD_NAME
    if engine.lower() != b"lua":
        raise RedisError(b"ERR Engine '%b' not found" % engine)
    return LibraryHead(name, b"\n" + rest)
