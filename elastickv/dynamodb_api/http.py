"""HTTP/1.1 without I/O: bytes to requests (llhttp through httptools, in C, for all but plain ones), answers to bytes.

What AWS' front door does with HTTP is kept to the letter where clients can see it: `GET /` is the health check, OPTIONS
is CORS, anything that is not a POST of JSON is `<UnknownOperationException/>` with status 404, a body over 16 MB is a
bare 413. Answers carry the CRC32 of their body (SDKs check it) and a request ID.
"""

from __future__ import annotations

import secrets
import zlib
from itertools import count
from typing import Final

import httptools

from elastickv.dynamodb_api.request import MAX_HEADERS, Request, plain_request

MAX_BODY_BYTES: Final = 16 << 20
MAX_HEAD_BYTES: Final = 64 << 10
"""Request line and headers."""

JSON_1_0: Final = b"application/x-amz-json-1.0"
JSON: Final = b"application/json"
JSON_TYPES: Final = frozenset({JSON_1_0, b"application/x-amz-json-1.1", JSON})
HEALTHY: Final = b"healthy: dynamodb.%b.amazonaws.com "
"""The trailing space is AWS'."""
NOT_AN_OPERATION: Final = b"<UnknownOperationException/>\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_REASONS: Final = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    413: b"Request Entity Too Large",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
}


class RequestReader:
    """Cuts one connection's bytes into requests."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self.wants_continue = False
        """A client holds its body back until it is told to go on; send CONTINUE and reset this."""
        self.failed = False
        """What came is not HTTP, or over a limit: the last request says so, nothing more is read."""
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._add_header = self._request.header_list.append
        self._parts: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._in_head = True
        self._begun = False
        """The parser is within a request."""

    @property
    def inside(self) -> bool:
        """Part of a request has come."""
        return self._begun or self._head_bytes > 0

    def feed(self, data: bytes) -> list[Request]:
        """The requests that these bytes complete."""
        if self.failed:
            return []
        if self._in_head:
            if not self._begun:
                plain = plain_request(data)
                if plain is not None:
                    return [plain]
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # What follows would be another protocol, which nobody here speaks.
            self._fail(400)
        except httptools.HttpParserError:
            self._fail(self._request.problem or 400)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.failed:
            self._fail(431)
        requests, self._requests = self._requests, []
        return requests

    def _fail(self, status: int) -> None:
        self.failed = True
        if not self._begun:
            self._request = Request()  # the one before is complete, and what came behind it is no request
        self._request.problem = status
        self._request.keep_alive = False
        self._requests.append(self._request)

    # what the parser calls

    def on_message_begin(self) -> None:
        self._begun = True
        self._request = request = Request()
        self._add_header = request.header_list.append
        self._parts = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._request.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._add_header((name, value))

    def on_headers_complete(self) -> None:
        # Bytes of the next request in the same piece are not counted to this one's head.
        self._in_head = False
        self._head_bytes = 0
        request = self._request
        request.method = self._parser.get_method()
        request.keep_alive = self._parser.should_keep_alive()
        request.headers = headers = {name.lower(): value for name, value in request.header_list}
        if len(request.header_list) > MAX_HEADERS:
            self._refuse(431)
        length = headers.get(b"content-length")
        if length is not None and len(length) < 20 and int(length) > MAX_BODY_BYTES:
            self._refuse(413)
        if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self.wants_continue = True

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(413)
        self._parts.append(data)

    def on_message_complete(self) -> None:
        request = self._request
        parts = self._parts
        request.encoded_body = request.body = parts[0] if len(parts) == 1 else b"".join(parts)
        encoding = request.headers.get(b"content-encoding")
        if encoding is not None and request.body:
            self._decode(request, encoding)
        self.wants_continue = False
        self._requests.append(request)
        self._in_head = True
        self._begun = False

    def _refuse(self, status: int) -> None:
        self._request.problem = status
        raise ValueError(status)  # ends the parser, which makes an HttpParserCallbackError of it

    def _decode(self, request: Request, encoding: bytes) -> None:
        for one in reversed(encoding.lower().replace(b" ", b"").split(b",")):
            if one in (b"", b"identity", b"aws-chunked"):
                continue
            if one not in (b"gzip", b"x-gzip", b"deflate"):
                request.problem = 400
                return
            # 32: gzip or zlib, whichever it is.
            decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            try:
                request.body = decoder.decompress(request.body, MAX_BODY_BYTES + 1)
            except zlib.error:
                request.problem = 400
                return
            if len(request.body) > MAX_BODY_BYTES:
                request.problem = 413
                request.keep_alive = False
                return
            if not decoder.eof:
                request.problem = 400
                return


_numbers = count()
_PREFIX: Final = secrets.token_hex(20).upper().encode()


def request_id() -> bytes:
    """52 letters and digits, as AWS' are: which process, and which of its requests."""
    return b"%b%012X" % (_PREFIX, next(_numbers))


def answer(
    status: int,
    body: bytes,
    *,
    content_type: bytes = JSON_1_0,
    keep_alive: bool = True,
    checksum: bool = True,
    headers: bytes = b"",
) -> bytes:
    """A whole response. `headers` are further header lines, each with its CRLF."""
    return b"HTTP/1.1 %d %b\r\nServer: Server\r\n%b%b%bContent-Length: %d\r\n%bx-amzn-RequestId: %b\r\n\r\n%b" % (
        status,
        _REASONS[status],
        b"Content-Type: %b\r\n" % content_type if content_type else b"",
        headers,
        b"Connection: keep-alive\r\n" if keep_alive else b"Connection: close\r\n",
        len(body),
        b"x-amz-crc32: %d\r\n" % zlib.crc32(body) if checksum else b"",
        request_id(),
        body,
    )


_FINE_HEAD: Final = b"HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: %b\r\nConnection: %b\r\nContent-Length: "
_CRC32: Final = b"%d\r\nx-amz-crc32: %d\r\nx-amzn-RequestId: " + _PREFIX
_FINE: Final = {
    (content_type, keep_alive): _FINE_HEAD % (content_type, b"keep-alive" if keep_alive else b"close")
    for content_type in JSON_TYPES
    for keep_alive in (True, False)
}
"""The beginning of `fine` responses, by Content-Type and whether the connection stays open."""
NOTHING: Final = b"{}"
"""The body that says no more than that all went well."""
_FINE_NOTHING: Final = {key: head + _CRC32 % (len(NOTHING), zlib.crc32(NOTHING)) for key, head in _FINE.items()}


def fine(body: bytes, request: Request, content_type: bytes) -> bytes:
    """The response to a request that did what it should; the same as `answer`, with less to put together."""
    if request.cross_origin:
        keep_alive = request.keep_alive
        return answer(200, body, content_type=content_type, keep_alive=keep_alive, headers=cors_headers(request))
    if body == NOTHING:
        return b"%b%012X\r\n\r\n{}" % (_FINE_NOTHING[content_type, request.keep_alive], next(_numbers))
    return b"%b%d\r\nx-amz-crc32: %d\r\nx-amzn-RequestId: %b%012X\r\n\r\n%b" % (
        _FINE[content_type, request.keep_alive],
        len(body),
        zlib.crc32(body),
        _PREFIX,
        next(_numbers),
        body,
    )


def cors_headers(request: Request) -> bytes:
    """What a browser gets beside every answer to a request with an Origin."""
    return b"Access-Control-Allow-Origin: *\r\n" if request.cross_origin else b""


def preflight(request: Request) -> bytes:
    """The answer to a browser's OPTIONS."""
    lines = [b"Access-Control-Allow-Origin: *\r\n"]
    for asked, allowed in (
        (b"access-control-request-headers", b"Access-Control-Allow-Headers"),
        (b"access-control-request-method", b"Access-Control-Allow-Methods"),
    ):
        value = request.headers.get(asked)
        if value:
            lines.append(b"%b: %b\r\n" % (allowed, value))
    lines.append(b"Access-Control-Max-Age: 172800\r\n")
    return answer(200, b"", content_type=b"", checksum=False, keep_alive=request.keep_alive, headers=b"".join(lines))
