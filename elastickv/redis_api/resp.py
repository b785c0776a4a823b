"""Requests on the wire: bytes in, lists of words out. No I/O.

Three ways through the same grammar:

- The *only* way: clients that do not pipeline send one short command at a time, which is what most chunks are. Two or
  three words are compared without a loop, 0.35 µs where the fast way takes 0.75.
- The *fast way* splits a chunk at every CRLF, once, and walks the pieces. A command is accepted only when each length
  header says exactly what the piece after it has, so values that contain CRLF cannot fool it. Nearly all traffic is
  whole commands with short words, and goes this way at 0.2 to 0.4 µs a command.
- The *exact way* takes whatever the fast way does not like: commands that are cut by the end of the chunk, inline
  commands, values with CRLF in them, long values, malformed input. It keeps its place between chunks, and the chunks
  of a long value are joined once, so the work stays linear however the input is cut.

Rules, limits and texts are those of Redis 7.2 (`processMultibulkBuffer`, `processInlineBuffer`, `sdssplitargs`), with
its two indulgences: the byte after a CR and the two bytes after a value are skipped without a look. Nothing is reserved
on a client's word: `*1000000` costs nothing before the words arrive.
"""

from __future__ import annotations

from typing import Final

from elastickv.redis_api.arguments import string_to_integer

INLINE_MAX_BYTES: Final = 64 * 1024
INT_MAX: Final = (1 << 31) - 1
UNAUTHENTICATED_WORDS: Final = 10
UNAUTHENTICATED_BULK: Final = 16384

_HEADERS: Final = tuple(b"$%d" % length for length in range(2048))
_COUNTS: Final = {b"*%d" % count: count for count in range(1, 1025)}
_FAST_WAYS: Final = 2
"""How often per chunk the fast way is tried: the second time is for what follows a command cut by the last chunk."""

Words = list[bytes]


class Parser:
    """Takes chunks of input and gives commands. After `error` is set nothing more is read."""

    __slots__ = (
        "_argv",
        "_bulk",
        "_chunks",
        "_have",
        "error",
        "limited",
        "max_bulk_bytes",
        "missing",
        "rest",
    )

    def __init__(self, max_bulk_bytes: int = 512 << 20) -> None:
        self.max_bulk_bytes = max_bulk_bytes
        self.limited = False
        """The client has yet to authenticate: small limits, and one command at a time, because that command may be
        the AUTH that lifts them."""
        self.error: bytes | None = None
        """What to tell the client, without `-ERR `, before the connection is closed."""
        self.rest = b""
        """Input that is not consumed yet: an incomplete line, or what follows a single command."""
        self._argv: Words = []
        self.missing = 0
        """Words that the present command still lacks."""
        self._bulk = -1
        """Length of the word that is being read; -1 between words."""
        self._chunks: list[bytes] = []
        self._have = 0
        """Bytes in `_chunks`."""

    @property
    def idle(self) -> bool:
        """Nothing is held: the input so far was whole commands."""
        return not (self.rest or self.missing)

    def only(self, data: bytes) -> Words | None:
        """The command, when `data` is exactly one of two or three short words and nothing is held; else None, and
        `feed` is to have it."""
        if self.rest or self.missing or self.limited or self.error is not None:
            return None
        pieces = data.split(b"\r\n")
        count = len(pieces)
        try:
            if count == 6:
                head, first_head, first, second_head, second, tail = pieces
                if (
                    head == b"*2"
                    and _HEADERS[len(first)] == first_head
                    and _HEADERS[len(second)] == second_head
                    and not tail
                ):
                    return [first, second]
            elif count == 8:
                head, first_head, first, second_head, second, third_head, third, tail = pieces
                if (
                    head == b"*3"
                    and _HEADERS[len(first)] == first_head
                    and _HEADERS[len(second)] == second_head
                    and _HEADERS[len(third)] == third_head
                    and not tail
                ):
                    return [first, second, third]
        except IndexError:
            pass  # a word longer than the table
        return None

    def feed(self, data: bytes) -> list[Words]:
        """The commands that `data` completes. While `limited` at most one: call again with b"" until none comes."""
        commands: list[Words] = []
        if self.error is not None:
            return commands
        if self._bulk >= 0:
            if data:
                self._chunks.append(data)
                self._have += len(data)
            beyond = self._have - self._bulk - 2
            if beyond < 0:
                return commands
            data = self._finish_word(beyond)
            if not self.missing:
                commands.append(self._argv)
                self._argv = []
                if self.limited:
                    self.rest = data
                    return commands
        elif self.rest:
            data = self.rest + data
            self.rest = b""
        position = 0
        end = len(data)
        fast_ways = 0 if self.limited else _FAST_WAYS
        while position < end:
            if fast_ways and not self.missing and data[position] == _STAR:
                fast_ways -= 1
                position = _fast(data, position, commands)
                if position == end:
                    break
            position = self._exact(data, position, commands)
            if self.limited and commands:
                self.rest = data[position:]
                break
        return commands

    def _finish_word(self, beyond: int) -> bytes:
        """The word that came in chunks is complete: join it without its CRLF, return what follows it."""
        chunks = self._chunks
        last = chunks.pop()
        keep = len(last) - beyond - 2
        if keep >= 0:
            chunks.append(last[:keep])
        else:
            chunks[-1] = chunks[-1][:keep]  # the last chunk began between CR and LF
        self._argv.append(b"".join(chunks))
        self.missing -= 1
        self._bulk = -1
        self._chunks = []
        self._have = 0
        return last[len(last) - beyond :] if beyond else b""

    def _exact(self, data: bytes, position: int, commands: list[Words]) -> int:
        """Read one command; return where it ended, or the end of `data` when it is incomplete and all is kept."""
        end = len(data)
        if not self.missing:
            if data[position] != _STAR:
                return self._inline(data, position, commands)
            line_end = self._line_end(data, position, b"too big mbulk count string")
            if line_end < 0:
                return end
            count = string_to_integer(data[position + 1 : line_end])
            if count is None or count > INT_MAX:
                return self._fail(b"invalid multibulk length", end)
            if count > UNAUTHENTICATED_WORDS and self.limited:
                return self._fail(b"unauthenticated multibulk length", end)
            position = line_end + 2
            if count <= 0:
                return position
            self.missing = count
        argv = self._argv
        while self.missing:
            if position >= end:
                return end
            line_end = self._line_end(data, position, b"too big bulk count string")
            if line_end < 0:
                return end
            if data[position] != _DOLLAR:
                return self._fail(b"expected '$', got '%c'" % data[position], end)
            length = string_to_integer(data[position + 1 : line_end])
            if length is None or length < 0 or length > self.max_bulk_bytes:
                return self._fail(b"invalid bulk length", end)
            if length > UNAUTHENTICATED_BULK and self.limited:
                return self._fail(b"unauthenticated bulk length", end)
            position = line_end + 2
            after = position + length
            if after + 2 > end:
                self._bulk = length
                if position < end:
                    self._chunks.append(data[position:])
                    self._have = end - position
                return end
            argv.append(data[position:after])
            position = after + 2
            self.missing -= 1
        commands.append(argv)
        self._argv = []
        return position

    def _line_end(self, data: bytes, position: int, too_big: bytes) -> int:
        """Where the CR of a header line is; -1 when the line is incomplete (kept) or too long (an error)."""
        found = data.find(b"\r", position)
        if found < 0:
            if len(data) - position > INLINE_MAX_BYTES:
                self._fail(too_big, 0)
            else:
                self.rest = data[position:]
            return -1
        if found + 2 > len(data):
            self.rest = data[position:]
            return -1
        return found

    def _inline(self, data: bytes, position: int, commands: list[Words]) -> int:
        newline = data.find(b"\n", position)
        if newline < 0:
            if len(data) - position > INLINE_MAX_BYTES:
                return self._fail(b"too big inline request", len(data))
            self.rest = data[position:]
            return len(data)
        line_end = newline - 1 if newline > position and data[newline - 1] == _CR else newline
        words = split_words(data[position:line_end])
        if words is None:
            return self._fail(b"unbalanced quotes in request", len(data))
        if words:
            commands.append(words)
        return newline + 1

    def _fail(self, error: bytes, position: int) -> int:
        self.error = b"Protocol error: " + error
        self.rest = b""
        self._argv = []
        self.missing = 0
        return position


def _fast(data: bytes, position: int, commands: list[Words]) -> int:
    """Append whole plain commands to `commands`; return where the first other one begins."""
    pieces = data.split(b"\r\n") if not position else data[position:].split(b"\r\n")
    last = len(pieces) - 1  # what follows the last CRLF: b"" unless the chunk was cut inside a line
    headers = _HEADERS
    append = commands.append
    at = 0
    try:
        while at < last:
            count = pieces[at]
            if count == b"*2":
                after = at + 5
                if after > last:
                    break
                first = pieces[at + 2]
                second = pieces[at + 4]
                if headers[len(first)] != pieces[at + 1] or headers[len(second)] != pieces[at + 3]:
                    break
                append([first, second])
                at = after
            elif count == b"*3":
                after = at + 7
                if after > last:
                    break
                first = pieces[at + 2]
                second = pieces[at + 4]
                third = pieces[at + 6]
                if (
                    headers[len(first)] != pieces[at + 1]
                    or headers[len(second)] != pieces[at + 3]
                    or headers[len(third)] != pieces[at + 5]
                ):
                    break
                append([first, second, third])
                at = after
            else:
                after = at + 1 + 2 * _COUNTS[count]
                if after > last:
                    break
                words = pieces[at + 2 : after : 2]
                if [headers[len(word)] for word in words] != pieces[at + 1 : after : 2]:
                    break
                append(words)
                at = after
    except (IndexError, KeyError):
        pass  # a word longer than the table, or a first line that is not a plain count: for the exact way
    if at == last and not pieces[last]:
        return len(data)
    return position + sum(map(len, pieces[:at])) + 2 * at


_STAR: Final = ord("*")
_DOLLAR: Final = ord("$")
_CR: Final = ord("\r")

_SPACES: Final = frozenset(b" \t\n\v\f\r")
_DOUBLE: Final = ord('"')
_SINGLE: Final = ord("'")
_BACKSLASH: Final = ord("\\")
_ESCAPES: Final = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


def split_words(line: bytes) -> Words | None:
    """Split an inline command as sdssplitargs does; None for quotes that are not closed or not followed by a blank.

    A NUL byte ends the line, as in C.
    """
    end = line.find(b"\0")
    if end < 0:
        end = len(line)
    words: Words = []
    at = 0
    while True:
        while at < end and line[at] in _SPACES:
            at += 1
        if at >= end:
            return words
        word = bytearray()
        quote = 0
        while True:
            if at >= end:
                if quote:
                    return None
                break
            byte = line[at]
            if quote == _DOUBLE:
                if (
                    byte == _BACKSLASH
                    and at + 3 < end
                    and line[at + 1] == ord("x")
                    and {*line[at + 2 : at + 4]} <= _HEX
                ):
                    word.append(int(line[at + 2 : at + 4], 16))
                    at += 3
                elif byte == _BACKSLASH and at + 1 < end:
                    at += 1
                    word.append(_ESCAPES.get(line[at], line[at]))
                elif byte == _DOUBLE:
                    if at + 1 < end and line[at + 1] not in _SPACES:
                        return None
                    at += 1
                    break
                else:
                    word.append(byte)
            elif quote == _SINGLE:
                if byte == _BACKSLASH and at + 1 < end and line[at + 1] == _SINGLE:
                    at += 1
                    word.append(_SINGLE)
                elif byte == _SINGLE:
                    if at + 1 < end and line[at + 1] not in _SPACES:
                        return None
                    at += 1
                    break
                else:
                    word.append(byte)
            elif byte in _SPACES:
                break
            elif byte in (_DOUBLE, _SINGLE):
                quote = byte
            else:
                word.append(byte)
            at += 1
        words.append(bytes(word))


def encode_command(argv: Words) -> bytes:
    """A command as a client would send it."""
    return b"*%d\r\n%b" % (len(argv), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in argv]))
