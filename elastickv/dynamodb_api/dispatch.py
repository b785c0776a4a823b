"""From a request to an operation: content type, JSON, target, signature, shape, body; and from what came out to the
bytes of an answer. The order of the checks is AWS'.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Final

import orjson

from elastickv.dynamodb_api.errors import (
    ApiError,
    InternalServerError,
    SerializationException,
    UnknownOperationException,
    from_fault,
)
from elastickv.dynamodb_api.http import (
    HEALTHY,
    JSON,
    JSON_TYPES,
    NOT_AN_OPERATION,
    answer,
    cors_headers,
    fine,
    preflight,
)
from elastickv.dynamodb_api.registry import Call, Operation
from elastickv.dynamodb_api.request import Request
from elastickv.errors import KvError
from elastickv.kv.view import View
from elastickv.observability.metrics import Durations

log = logging.getLogger(__name__)

Verify = Callable[[Request], None]
"""Raises ApiError when a request is not signed as it must be."""


class Route:
    """An operation as this door runs it, with its figures."""

    __slots__ = ("body", "convert", "durations", "layered", "name", "operation", "outcomes", "short", "write")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.name = operation.name
        self.body = operation.body
        self.convert = operation.shape.accept
        self.write = operation.write
        self.layered = operation.layered
        self.short = operation.short
        self.outcomes: dict[str, int] = {}
        """By "ok" or the exception's name."""
        self.durations = Durations()


class Exchange:
    """One request and what is known of its answer."""

    __slots__ = ("answer", "content_type", "outcome", "request", "route", "started", "ticket", "waiting")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.content_type = JSON
        """Of the answer: the request's."""
        self.started = perf_counter()
        self.route: Route | None = None
        self.answer = b""
        self.outcome = "ok"
        self.ticket: object = None
        """What the answer rests on; None: nothing any more."""
        self.waiting = False
        """There is no answer yet: the request is on its way to the leader."""

    def finished(self) -> None:
        """The answer goes out now."""
        route = self.route
        if route is not None:
            outcomes = route.outcomes
            outcomes[self.outcome] = outcomes.get(self.outcome, 0) + 1
            route.durations.observe(perf_counter() - self.started)


class Router:
    """All operations of a door, by the value of X-Amz-Target."""

    def __init__(self, operations: Mapping[str, Operation], verify: Verify | None = None) -> None:
        self.routes = {target.encode(): Route(one) for target, one in operations.items()}
        self.verify = verify

    def find(self, exchange: Exchange) -> dict[str, Any] | None:
        """Set the exchange's route and return the request's JSON; None when the exchange has its answer already."""
        request = exchange.request
        if request.problem:
            exchange.answer = problem(request)
            return None
        if request.method != b"POST":
            exchange.answer = _not_a_post(request)
            return None
        body = request.body
        content_type = request.content_type
        if content_type not in JSON_TYPES:
            content_type = content_type.partition(b";")[0].strip()
        if content_type in JSON_TYPES:
            exchange.content_type = content_type
        elif body:
            exchange.answer = _not_found(request)
            return None
        try:
            parsed: Any = orjson.loads(body) if body else None
        except orjson.JSONDecodeError:
            refuse(exchange, SerializationException())
            return None
        route = self.routes.get(request.target)
        if route is None:
            refuse(exchange, UnknownOperationException())
            return None
        exchange.route = route
        try:
            if self.verify is not None:
                self.verify(request)
            if not isinstance(parsed, dict):
                raise SerializationException()
        except ApiError as error:
            refuse(exchange, error)
            return None
        return parsed

    def run(self, exchange: Exchange, parsed: dict[str, Any], view: View) -> None:
        """The body, all or nothing, on the leader. The caller settles what the answer rests on."""
        route = exchange.route
        assert route is not None
        layered = route.layered
        if layered:
            view.begin()
        try:
            encoded = route.short(view, parsed) if route.short is not None else None
            if encoded is None:
                route.convert(parsed)
                encoded = orjson.dumps(route.body(Call(view, parsed, exchange.request)))
        except Exception as error:
            if layered:
                view.undo()
            _rest_on_reads(view)
            refuse(exchange, error)
            return
        if layered:
            view.keep()
            _rest_on_reads(view)
        exchange.answer = fine(encoded, exchange.request, exchange.content_type)


def _rest_on_reads(view: View) -> None:
    """After an undo (of the request, or of a statement in it) what was written is gone, so the answer rests on what was
    read. That may be anything that is on its way, and the forming batch if it holds anything; an empty one would never
    be proposed."""
    if view.dependency is view.forming and not view.forming:
        view.dependency = view.inflight[-1] if view.inflight else None


def refuse(exchange: Exchange, error: Exception) -> None:
    """Make the error the exchange's answer."""
    request = exchange.request
    api_error = to_api_error(error, exchange.route)
    exchange.outcome = api_error.code
    exchange.answer = answer(
        api_error.status,
        orjson.dumps(api_error.body()),
        content_type=exchange.content_type,
        keep_alive=request.keep_alive,
        headers=cors_headers(request),
    )


def to_api_error(error: Exception, route: Route | None) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, KvError):
        return from_fault(error)
    log.error("%s failed unexpectedly", route.name if route is not None else "a request", exc_info=error)
    return InternalServerError()


_NO_BODY: Final = frozenset({413, 431})


def problem(request: Request) -> bytes:
    """The answer to what cannot be served at all."""
    if request.problem in _NO_BODY:
        return answer(request.problem, b"", content_type=b"", checksum=False, keep_alive=False)
    body = orjson.dumps(SerializationException().body())
    return answer(request.problem, body, keep_alive=request.keep_alive)


def _not_a_post(request: Request) -> bytes:
    if request.method == b"OPTIONS" and request.cross_origin:
        return preflight(request)
    if request.method in (b"GET", b"HEAD"):
        host = request.headers.get(b"host", b"").split(b".")
        region = host[1] if len(host) > 2 and host[0] == b"dynamodb" else b"us-east-1"
        whole = answer(
            200,
            HEALTHY % region,
            content_type=b"",
            keep_alive=request.keep_alive,
            headers=cors_headers(request),
        )
        return whole if request.method == b"GET" else whole[: whole.index(b"\r\n\r\n") + 4]
    return _not_found(request)


def _not_found(request: Request) -> bytes:
    return answer(404, NOT_AN_OPERATION, content_type=b"", keep_alive=request.keep_alive, headers=cors_headers(request))
