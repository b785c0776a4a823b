"""A request as it came, and the short way to one.

SDKs send heads that hold a dozen well-known lines and nothing else. One regular expression tells such a head, and takes
what this door needs out of it, for half of what the parser costs with its call for each line; the lines are taken apart
when somebody asks for them (a signature, a request that is passed on). Whatever is out of the ordinary, be it only the
case of a letter, is left to the parser (`http.RequestReader`), which decides what is HTTP and what is not.
"""

from __future__ import annotations

import re
from typing import Any, Final

FORWARDED: Final = b"x-elastickv-forwarded"
"""A header that says that another node has passed the request on."""
MAX_HEADERS: Final = 200
_SHORTEST_LINE: Final = len(b"Host: a\r\n")
_FEW: Final = MAX_HEADERS * _SHORTEST_LINE
"""A head of so many bytes cannot have too many lines."""


class Request:
    """Header names are in lower case; of repeated headers the last one counts here."""

    __slots__ = ("body", "encoded_body", "header_list", "headers", "keep_alive", "method", "problem", "url")

    def __init__(self) -> None:
        self.method = b""
        self.url = b""
        self.header_list: list[tuple[bytes, bytes]] = []
        """As they came."""
        self.headers: dict[bytes, bytes] = {}
        self.encoded_body = b""
        """As it came, perhaps compressed: signatures are over this."""
        self.body = b""
        self.keep_alive = True
        self.problem = 0
        """The status that answers it when it cannot be served at all (413, 431, 400); the connection ends with it."""

    @property
    def target(self) -> bytes:
        """X-Amz-Target."""
        return self.headers.get(b"x-amz-target", b"")

    @property
    def content_type(self) -> bytes:
        return self.headers.get(b"content-type", b"")

    @property
    def forwarded(self) -> bool:
        """Another node has passed it on."""
        return FORWARDED in self.headers

    @property
    def cross_origin(self) -> bool:
        """A page in a browser has sent it."""
        return b"origin" in self.headers

    @property
    def region(self) -> str:
        """From the credential scope; us-east-1 when nothing is said."""
        scope = self.headers.get(b"authorization", b"").partition(b"Credential=")[2].partition(b",")[0]
        if not scope and b"X-Amz-Credential=" in self.url:
            scope = self.url.partition(b"X-Amz-Credential=")[2].partition(b"&")[0].replace(b"%2F", b"/")
        parts = scope.split(b"/")
        return parts[2].decode("latin-1") if len(parts) >= 5 and parts[2] else "us-east-1"


class PlainRequest(Request):
    """One with an ordinary head. It keeps no more than the bytes that came, and takes them apart when it is asked: the
    less memory the many requests hold that wait for the log, the more of it is in the processor's caches."""

    __slots__ = ("_body_at", "_data", "content_type", "forwarded", "target")

    method = b"POST"
    url = b"/"
    keep_alive = True
    problem = 0
    cross_origin = False

    def __init__(self, data: bytes, body_at: int, target: bytes, content_type: bytes, forwarded: bool) -> None:
        self._data = data
        self._body_at = body_at
        self.target = target  # type: ignore[misc]  # a slot instead of the property
        self.content_type = content_type  # type: ignore[misc]  # a slot instead of the property
        self.forwarded = forwarded  # type: ignore[misc]  # a slot instead of the property

    @property
    def body(self) -> bytes:  # type: ignore[override]  # nobody gives it another body
        return self._data[self._body_at :]

    @property
    def encoded_body(self) -> bytes:  # type: ignore[override]  # the same
        return self.body

    def __getattr__(self, name: str) -> Any:
        """Of the two slots that are still empty."""
        if name == "header_list":
            lines = self._data[: self._body_at].split(b"\r\n")[1:-2]
            pairs = [line.partition(b": ") for line in lines]
            self.header_list = [(key, value.rstrip(b" ")) for key, _, value in pairs]
            return self.header_list
        if name == "headers":
            self.headers = {key.lower(): value for key, value in self.header_list}
            return self.headers
        raise AttributeError(name)


def _named(names: bytes) -> bytes:
    """A pattern for header names as they are written in HTTP/1.1 and as in HTTP/2, where words begin in lower case."""
    return re.sub(rb"\b[A-Z]", lambda found: b"[%b%b]" % (found[0], found[0].lower()), names)


_INERT: Final = (
    b"Host|Accept|Accept-Encoding|User-Agent|Authorization|"
    b"X-Amz-Date|X-Amz-Security-Token|X-Amz-Content-Sha256|X-Amz-User-Agent|X-Amzn-Trace-Id|"
    b"Amz-Sdk-Invocation-Id|Amz-Sdk-Request"
)
"""Lines that change nothing about how a request is read."""
_LINES: Final = (
    # The first three at most once: of more, the parser says which counts.
    rb"(?(1)(?!)|%b: ([0-9]{1,7}))" % _named(b"Content-Length"),
    rb"(?(2)(?!)|%b: ([A-Za-z0-9_.]+))" % _named(b"X-Amz-Target"),
    rb"(?(3)(?!)|%b: (application/(?:x-amz-json-1\.[01]|json)))" % _named(b"Content-Type"),
    rb"(?:%b): [\x21-\x7e][\x20-\x7e]*+" % _named(_INERT),
    rb"%b: keep-alive" % _named(b"Connection"),
    rb"(%b: 1)" % FORWARDED,
)
_ordinary: Final = re.compile(rb"POST / HTTP/1\.1\r\n(?:(?:%b)\r\n)*+\r\n" % b"|".join(_LINES)).match


def plain_request(data: bytes) -> PlainRequest | None:
    """The request that these bytes are, if they are one whole request with an ordinary head and nothing behind it."""
    found = _ordinary(data)
    if found is None:
        return None
    length, target, content_type, forwarded = found.groups()
    if length is None or target is None or content_type is None:
        return None
    end = found.end()
    if len(data) - end != int(length) or (end > _FEW and data.count(b"\n", 0, end) - 2 > MAX_HEADERS):
        return None
    return PlainRequest(data, end, target, content_type, forwarded is not None)
