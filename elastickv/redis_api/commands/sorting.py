"""SORT and SORT_RO: the elements of a list, set or sorted set in another order, or what keys named after them hold.

    SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC|DESC] [ALPHA] [STORE destination]

A pattern names a key, the first `*` in it stands for the element; `key*->field` is a field of a hash, and `#` in GET
the element itself. BY a pattern without `*` leaves the order as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from elastickv.errors import Fault, KvError
from elastickv.redis_api.acl.permissions import may_read_any_key
from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.arguments import string_to_float
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, KeySpec, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events, hashes
from elastickv.redis_api.values.kinds import KINDS
from elastickv.redis_api.values.records import Record, RecordType

_SORTABLE: Final = (RecordType.LIST, RecordType.SET, RecordType.ZSET)
_NO_NUMBERS: Final = RedisError(b"ERR One or more scores can't be converted into double")
_BY_DENIED: Final = RedisError(b"ERR BY option of SORT denied due to insufficient ACL permissions.")
_GET_DENIED: Final = RedisError(b"ERR GET option of SORT denied due to insufficient ACL permissions.")
_BLANKS: Final = b" \t\n\v\f\r"
_COMPLEXITY: Final = "O(N+M*log(M)) for N elements, M of them returned; O(N) without sorting"
_CATEGORIES: Final = ("set", "sortedset", "list", "dangerous")


def _get_patterns() -> Argument:
    argument = word("get-pattern", "pattern", token="GET", optional=True, multiple=True)
    argument["key_spec_index"] = 1
    argument["flags"] = [*argument["flags"], "multiple_token"]
    return argument


def _by_pattern() -> Argument:
    argument = word("by-pattern", "pattern", token="BY", optional=True)
    argument["key_spec_index"] = 1
    return argument


_ARGUMENTS: Final = (
    key(),
    _by_pattern(),
    block("limit", integer("offset"), integer("count"), token="LIMIT", optional=True),
    _get_patterns(),
    oneof("order", token("ASC"), token("DESC"), optional=True),
    token("ALPHA", "sorting", optional=True),
)
_READ_KEYS: Final = (
    KeySpec("RO ACCESS", index=1),
    KeySpec("RO ACCESS", notes="BY and GET: the names follow from the elements"),
)


@dataclass(slots=True)
class _Request:
    by: bytes | None = None
    start: int = 0
    count: int = -1
    get: list[bytes] = field(default_factory=list)
    descending: bool = False
    alpha: bool = False
    store: bytes | None = None


def _parsed(words: Sequence[bytes], *, may_store: bool, reads_any_key: bool = True) -> _Request:
    request = _Request()
    at = 0
    while at < len(words):
        option = words[at].upper()
        left = len(words) - at - 1
        if option in (b"ASC", b"DESC"):
            request.descending = option == b"DESC"
        elif option == b"ALPHA":
            request.alpha = True
        elif option == b"LIMIT" and left >= 2:
            request.start, request.count = read_integer(words[at + 1]), read_integer(words[at + 2])
            at += 2
        elif option == b"STORE" and left >= 1 and may_store:
            at += 1
            request.store = words[at]
        elif option == b"BY" and left >= 1:
            at += 1
            request.by = words[at]
            if b"*" in request.by and not reads_any_key:
                raise _BY_DENIED
        elif option == b"GET" and left >= 1:
            if not reads_any_key:
                raise _GET_DENIED
            at += 1
            request.get.append(words[at])
        else:
            raise SYNTAX
        at += 1
    return request


def _find_keys(argv: Sequence[bytes]) -> list[bytes]:
    """The key, and the destination if there is one."""
    try:
        store = _parsed(argv[2:], may_store=True).store
    except RedisError:
        store = None
    return [argv[1]] if store is None else [argv[1], store]


def _sorted(call: Call, record: Record | None, request: _Request) -> list[bytes]:
    """The elements that were asked for, in order."""
    if record is None:
        return []
    loaded = KINDS[record.type].load(call.db, record)
    elements: list[bytes] = [member for member, _ in loaded] if record.type is RecordType.ZSET else list(loaded)
    by = request.by
    keep_order = by is not None and b"*" not in by
    in_script = call.state.scripts.engine.running is not None
    if keep_order and record.type is RecordType.SET and (request.store is not None or in_script):
        # What is stored, or what a script does, must not depend on the order in which a set happens to lie.
        elements.sort(reverse=request.descending)
    elif not keep_order:
        elements = _ordered(call, elements, request)
    elif record.type is RecordType.ZSET and request.descending:
        elements.reverse()
    start = min(max(request.start, 0), len(elements))
    return elements[start:] if request.count < 0 else elements[start : start + request.count]


def _ordered(call: Call, elements: list[bytes], request: _Request) -> list[bytes]:
    by, alpha = request.by, request.alpha
    weights = elements if by is None else [_look_up(call, by, element) for element in elements]
    keyed: list[tuple[Any, bytes]]
    if alpha:
        # What has no weight comes first.
        keyed = [((weight is not None, weight or b""), one) for weight, one in zip(weights, elements, strict=True)]
        keyed.sort(key=lambda pair: pair[0], reverse=request.descending)
    else:
        keyed = [
            (0.0 if weight is None else _number(weight), one) for weight, one in zip(weights, elements, strict=True)
        ]
        keyed.sort(reverse=request.descending)
    return [element for _, element in keyed]


def _number(text: bytes) -> float:
    """As strtod reads it: blanks in front, nothing behind, and an empty string is 0."""
    text = text.partition(b"\0")[0]
    if not text:
        return 0.0
    number = string_to_float(text.lstrip(_BLANKS))
    if number is None:
        raise _NO_NUMBERS
    return number


def _look_up(call: Call, pattern: bytes, element: bytes) -> bytes | None:
    """What the key that a pattern means for an element holds."""
    if pattern == b"#":
        return element
    before, star, after = pattern.partition(b"*")
    if not star:
        return None
    after, arrow, name = after.partition(b"->")
    if not name:
        after += arrow
    try:
        if name:
            found = hashes.read(call.db, before + element + after)
            return None if found is None else found.get(name)
        return call.db.string(before + element + after)
    except KvError as error:
        if error.fault is not Fault.WRONG_TYPE:
            raise
        return None


def _sort(call: Call, *, may_store: bool) -> Reply:
    user, argv = call.session.user, call.argv
    request = _parsed(
        argv[2:],
        may_store=may_store,
        reads_any_key=user.unrestricted or may_read_any_key(user, COMMANDS["sort" if may_store else "sort_ro"], argv),
    )
    record = call.db.read(call.argv[1])
    if record is not None and record.type not in _SORTABLE:
        raise KvError(Fault.WRONG_TYPE)
    found: list[bytes | None] = list(_sorted(call, record, request))
    if request.get:
        found = [
            _look_up(call, pattern, element) for element in found if element is not None for pattern in request.get
        ]
    destination = request.store
    if destination is None:
        return found
    if found:
        KINDS[RecordType.LIST].save(call.db, destination, [one or b"" for one in found], 0)
        call.db.notify(events.LIST, b"sortstore", destination)
    elif call.db.delete(destination):
        call.db.notify(events.GENERIC, b"del", destination)
    return len(found)


@COMMANDS.command(
    "sort",
    arity=-2,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    find_keys=_find_keys,
    key_specs=(*_READ_KEYS, KeySpec("OW UPDATE", notes="STORE: it may stand anywhere")),
    group="generic",
    since="1.0.0",
    complexity=_COMPLEXITY,
    categories=_CATEGORIES,
    arguments=(*_ARGUMENTS, key("destination", 2, token="STORE", optional=True)),
)
def sort(call: Call) -> Reply:
    """Returns or stores the elements of a list, set or sorted set, sorted."""
    return _sort(call, may_store=True)


@COMMANDS.command(
    "sort_ro",
    arity=-2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    find_keys=_find_keys,
    key_specs=_READ_KEYS,
    group="generic",
    since="7.0.0",
    complexity=_COMPLEXITY,
    categories=_CATEGORIES,
    arguments=_ARGUMENTS,
)
def sort_ro(call: Call) -> Reply:
    """Returns the elements of a list, set or sorted set, sorted."""
    return _sort(call, may_store=False)
