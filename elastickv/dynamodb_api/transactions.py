"""What both transactions share, and the memory of request tokens.

    D k <digest of the token:16>                  deadline (ms, 8), digest of the request (16)
    D e <deadline ms:8> <digest of the token:16>  the same in the order in which they are forgotten; the value is what a
                                                  repetition costs: JSON, table -> read units

A token is remembered for ten minutes in the log entry of its transaction, so a repeated request finds it on whichever
node leads by then. Old ones are forgotten a few at a time by those that come later. As at AWS, the two operations do
not know each other's tokens: their digests differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

import orjson

from elastickv.dynamodb_api.capacity import Consumed
from elastickv.dynamodb_api.errors import (
    ConditionalCheckFailedException,
    IdempotentParameterMismatchException,
    TransactionCanceledException,
    ValidationException,
)
from elastickv.kv.keyspace import DYNAMO, read_u64, u64
from elastickv.kv.view import View

MAX_ACTIONS: Final = 100
MAX_BYTES: Final = 4 << 20
TOKEN_MS: Final = 10 * 60 * 1000

TOO_LARGE: Final = "Transaction payload size cannot exceed 4 MB"
ONE_ITEM: Final = "Transaction request cannot include multiple operations on one item"

TOKENS: Final = DYNAMO + b"k"
DEADLINES: Final = DYNAMO + b"e"
_FORGET: Final = 4
"""Old tokens that each new one takes with it, at most."""


def cancelled(position: int, count: int, error: ValidationException) -> TransactionCanceledException:
    """One action is invalid; the others were not looked at."""
    reasons: list[dict[str, Any]] = [{"Code": "None"} for _ in range(count)]
    reasons[position] = {"Code": "ValidationError", "Message": error.message}
    return TransactionCanceledException(reasons)


def reason_of(error: Exception | None) -> dict[str, Any]:
    """Why an action cancels its transaction."""
    if error is None:
        return {"Code": "None"}
    if isinstance(error, ConditionalCheckFailedException):
        reason = {"Code": "ConditionalCheckFailed", "Message": error.message}
        if "Item" in error.details:
            reason["Item"] = error.details["Item"]
        return reason
    assert isinstance(error, ValidationException)
    return {"Code": "ValidationError", "Message": error.message}


def check_distinct(places: Iterable[bytes]) -> None:
    """No item twice."""
    known = set()
    for place in places:
        if place in known:
            raise ValidationException(ONE_ITEM)
        known.add(place)


def fingerprint(actions: list[Mapping[str, Any]]) -> bytes:
    """A digest of what a request does."""
    return blake2b(orjson.dumps(actions, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def token_key(token: str, *, of_statements: bool = False) -> bytes:
    """By what a request's token is remembered. `of_statements`: it is one of ExecuteTransaction."""
    return blake2b(token.encode(), digest_size=16, person=b"statements" if of_statements else b"").digest()


def done_before(view: View, token: bytes, actions: bytes, now_ms: int) -> bool:
    """Whether this very request was executed within ten minutes. IdempotentParameterMismatchException for another
    one."""
    known = view.get(TOKENS + token)
    if known is None or read_u64(known) <= now_ms:
        return False
    if known[8:] != actions:
        raise IdempotentParameterMismatchException()
    return True


def remember(view: View, token: bytes, actions: bytes, now_ms: int, costs: Iterable[Consumed]) -> None:
    """The request is being executed, and costs its tables this."""
    expired = view.scan(DEADLINES, DEADLINES + u64(now_ms))
    for entry, _ in list(islice(expired, _FORGET)):
        view.delete(entry)
        old = TOKENS + entry[len(DEADLINES) + 8 :]
        found = view.get(old)
        if found is not None and read_u64(found) <= now_ms:
            view.delete(old)
    deadline = now_ms + TOKEN_MS
    view.put(TOKENS + token, u64(deadline) + actions)
    view.put(DEADLINES + u64(deadline) + token, orjson.dumps({cost.name: cost.repeated for cost in costs}))


def repeated(view: View, token: bytes) -> list[Consumed]:
    """What a request costs that was `done_before`: reading the larger of what each of its items was before and after,
    whatever is there now."""
    known = view.get(TOKENS + token)
    assert known is not None
    costs = []
    for name, units in orjson.loads(view.get(DEADLINES + known[:8] + token) or b"{}").items():
        cost = Consumed(name, transaction=True)
        cost.read(units)
        costs.append(cost)
    return costs
