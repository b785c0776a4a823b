"""FUNCTION DUMP's payload: an RDB fragment with one opcode and one string per library, and DUMP's footer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from elastickv.redis_api.crc64 import crc64
from elastickv.redis_api.rdb import WRITTEN_VERSION, BadFormat, Reader, check_footer, string

_FUNCTION: Final = 245


def dump_functions(codes: Iterable[bytes]) -> bytes:
    parts: list[bytes | memoryview] = []
    for code in codes:
        parts.append(bytes((_FUNCTION,)))
        parts += string(code)
    body = b"".join((*parts, WRITTEN_VERSION.to_bytes(2, "little")))
    return body + crc64(body).to_bytes(8, "little")


def restore_functions(payload: bytes) -> list[bytes]:
    """The codes of the libraries. rdb.WrongFooter or rdb.BadFormat."""
    check_footer(payload)
    reader = Reader(payload, 0)
    codes = []
    while reader.at < reader.end:
        if reader.take(1)[0] != _FUNCTION:
            raise BadFormat
        codes.append(reader.string())
    return codes
