"""One declaration per operation: its name, the shape of its request, and its body.

    @operation("GetItem", shape=Shape(TableName=required(TABLE_NAME), Key=required(KEY)))
    def get_item(call: Call) -> dict[str, Any]: ...

A body is a plain function: it runs synchronously on the leader, on `call.view`, after `call.request` has passed its
shape, and returns what becomes the JSON answer. What it raises undoes what it wrote. The router, the metrics and the
table of operations in `docs/dynamodb.md` read everything from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from elastickv.dynamodb_api.request import Request
from elastickv.dynamodb_api.shapes import Shape
from elastickv.kv.view import View

DYNAMODB: Final = "DynamoDB_20120810"
STREAMS: Final = "DynamoDBStreams_20120810"
ACCOUNT: Final = "123456789012"
"""The account in every ARN: there is only one."""


class Call:
    """One request on its way through a body."""

    __slots__ = ("_http", "now_ms", "request", "view")

    def __init__(self, view: View, request: dict[str, Any], http: Request | None = None) -> None:
        self.view = view
        self.request = request
        """Checked by the operation's shape; unknown members and nulls are gone."""
        self.now_ms = view.now_ms
        """The leader's wall clock for this burst, Unix milliseconds."""
        self._http = http

    @property
    def region(self) -> str:
        """What ARNs of the answer say: the region that the client signed for."""
        return self._http.region if self._http is not None else "us-east-1"

    @property
    def host(self) -> str:
        """What the client calls this door: name or address, and port."""
        return self._http.headers.get(b"host", b"").decode("latin-1") if self._http is not None else ""


Answer = Mapping[str, Any]
Body = Callable[[Call], Answer]
Short = Callable[[View, dict[str, Any]], bytes | None]
"""The short way of an operation, for requests that most are like: checks and body in one. It gets the JSON as it came,
and returns the JSON of what the long way would answer. None: take the long way; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    shape: Shape
    body: Body
    write: bool
    """It may change something: our own forwarding never sends it twice."""
    layered: bool = True
    """It is run on a layer of its own, which is undone when it fails. False: it reads only, or lays one itself."""
    service: str = DYNAMODB
    short: Short | None = None
    summary: str = ""
    notes: tuple[str, ...] = ()
    """Where it differs from AWS, for the generated table."""

    @property
    def target(self) -> str:
        """The value of X-Amz-Target."""
        return f"{self.service}.{self.name}"


class Registry(dict[str, Operation]):
    """All operations by target."""

    def operation(
        self,
        name: str,
        *,
        shape: Shape,
        write: bool = True,
        layered: bool | None = None,
        service: str = DYNAMODB,
        short: Short | None = None,
        notes: tuple[str, ...] = (),
    ) -> Callable[[Body], Body]:
        """Declare the decorated function as the body of `name`. ValueError at import when it is declared twice."""

        def declare(body: Body) -> Body:
            summary = (body.__doc__ or "").strip().split("\n")[0]
            one = Operation(
                name, shape, body, write, write if layered is None else layered, service, short, summary, notes
            )
            if one.target in self:
                raise ValueError(f"{one.target}: declared twice")
            self[one.target] = one
            return body

        return declare


OPERATIONS: Final = Registry()
operation: Final = OPERATIONS.operation
