"""The words of the Redis door: Redis' own error texts, and what each of our faults is called in RESP.

`RedisError.text` is the whole error line without the dash. Texts are Redis 7.2's, because clients match on them.
"""

from __future__ import annotations

from typing import Final

from elastickv.errors import Fault, KvError


class RedisError(Exception):
    """An error reply: a prefix that programs look at, then a sentence for people. CR and LF become spaces."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        if b"\r" in text or b"\n" in text:
            text = text.replace(b"\r", b" ").replace(b"\n", b" ")
        self.text = text


class CountedError(RedisError):
    """One that the statistics know already: a script answers with what a command of its own was answered."""


SYNTAX: Final = RedisError(b"ERR syntax error")
NOT_AN_INTEGER: Final = RedisError(b"ERR value is not an integer or out of range")
NOT_A_FLOAT: Final = RedisError(b"ERR value is not a valid float")
OUT_OF_RANGE: Final = RedisError(b"ERR value is out of range")
MUST_BE_POSITIVE: Final = RedisError(b"ERR value is out of range, must be positive")
OVERFLOW: Final = RedisError(b"ERR increment or decrement would overflow")
WRONG_TYPE: Final = RedisError(b"WRONGTYPE Operation against a key holding the wrong kind of value")
NO_SUCH_KEY: Final = RedisError(b"ERR no such key")
INDEX_OUT_OF_RANGE: Final = RedisError(b"ERR index out of range")
SAME_OBJECT: Final = RedisError(b"ERR source and destination objects are the same")
BUSY_KEY: Final = RedisError(b"BUSYKEY Target key name already exists.")
STRING_TOO_LONG: Final = RedisError(b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")
INVALID_CURSOR: Final = RedisError(b"ERR invalid cursor")
DB_OUT_OF_RANGE: Final = RedisError(b"ERR DB index is out of range")

NO_AUTH: Final = RedisError(b"NOAUTH Authentication required.")
WRONG_PASSWORD: Final = RedisError(b"WRONGPASS invalid username-password pair or user is disabled.")
NO_PROTO: Final = RedisError(b"NOPROTO unsupported protocol version")
EXEC_ABORT: Final = RedisError(b"EXECABORT Transaction discarded because of previous errors.")
EXEC_WITHOUT_MULTI: Final = RedisError(b"ERR EXEC without MULTI")
DISCARD_WITHOUT_MULTI: Final = RedisError(b"ERR DISCARD without MULTI")
NESTED_MULTI: Final = RedisError(b"ERR MULTI calls can not be nested")
WATCH_INSIDE_MULTI: Final = RedisError(b"ERR WATCH inside MULTI is not allowed")
UNBLOCKED: Final = RedisError(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
INTERNAL: Final = RedisError(b"ERR internal error")
MAX_CLIENTS: Final = RedisError(b"ERR max number of clients reached")


def wrong_arity(name: str) -> RedisError:
    """`name` is the full name, "container|sub" for a subcommand."""
    return RedisError(b"ERR wrong number of arguments for '%b' command" % name.encode())


def not_while_listening(name: str) -> RedisError:
    return RedisError(
        b"ERR Can't execute '%b': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        b"context" % name.encode()
    )


def unknown_command(argv: list[bytes]) -> RedisError:
    """Redis names the command and quotes the arguments until about 128 bytes of them are shown."""
    shown = b""
    for word in argv[1:]:
        if len(shown) >= 128:
            break
        shown += b"'%b' " % c_string(word)[: 128 - len(shown)]
    return RedisError(b"ERR unknown command '%b', with args beginning with: %b" % (c_string(argv[0])[:128], shown))


def unknown_subcommand(container: bytes, sub: bytes) -> RedisError:
    return RedisError(b"ERR unknown subcommand '%b'. Try %b HELP." % (c_string(sub)[:128], c_string(container).upper()))


def subcommand_syntax(container: bytes, sub: bytes) -> RedisError:
    """The subcommand is known, its arguments are not what it takes (Redis' addReplySubcommandSyntaxError)."""
    return RedisError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (c_string(sub)[:128], c_string(container).upper())
    )


def c_string(word: bytes) -> bytes:
    """What C's printf would show of it."""
    end = word.find(b"\0")
    return word if end < 0 else word[:end]


_PREFIXES: Final[dict[Fault, bytes]] = {
    Fault.NOT_LEADER: b"NOTLEADER",  # between our own nodes only: the follower sends the commands elsewhere
    Fault.NO_QUORUM: b"CLUSTERDOWN",
    Fault.OUTCOME_UNKNOWN: b"ERR",
    Fault.OVERLOAD: b"BUSY",
    Fault.DISK_FULL: b"ERR",
    Fault.TOO_LARGE: b"ERR",
    Fault.BAD_REQUEST: b"ERR",
    Fault.WRONG_TYPE: b"WRONGTYPE",
    Fault.CONFLICT: b"ERR",
    Fault.NOT_FOUND: b"ERR",
    Fault.COMPACTED: b"ERR",
    Fault.PERMISSION_DENIED: b"NOPERM",
    Fault.SHUTTING_DOWN: b"CLUSTERDOWN",
    Fault.INTERNAL: b"ERR",
}

_PROMISED: Final[dict[Fault, bytes]] = {
    # Texts that contracts promise: the sentence of the error is added behind them.
    Fault.OUTCOME_UNKNOWN: b"outcome unknown",
    Fault.DISK_FULL: b"disk full",
}


def from_fault(error: KvError) -> RedisError:
    """The error reply for a failure inside the server."""
    fault = error.fault
    if fault is Fault.WRONG_TYPE:
        return WRONG_TYPE
    if fault is Fault.INTERNAL:
        return INTERNAL
    sentence = error.message.encode("utf-8", "replace")
    promised = _PROMISED.get(fault)
    if promised is not None and promised not in sentence:
        sentence = b"%b: %b" % (promised, sentence)
    return RedisError(b"%b %b" % (_PREFIXES[fault], sentence))
