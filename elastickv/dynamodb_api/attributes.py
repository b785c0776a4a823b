"""Attribute values: what may be one, how large it is, when two are equal, which comes first.

A value stays what it is on the wire, a dict with one member that names the type: {"S": text}, {"N": canonical number},
{"B": base64}, {"BOOL": …}, {"NULL": true}, {"SS"|"NS"|"BS": list in order}, {"L": values}, {"M": name -> value}.
Nothing is converted that an operation does not look into, and a stored item is its JSON (see `records`).

`check` is the gate: behind it numbers are canonical, and sets have no doubles and are in order. Equality is that of the
JSON but for the order of sets, which older records may hold as they were sent.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

from elastickv.dynamodb_api import decimals
from elastickv.dynamodb_api.errors import NoValue, ValidationException, ValueFault

Value = dict[str, Any]
Item = dict[str, Value]
Key = Item
"""The attributes of a primary key."""

MAX_ITEM_BYTES: Final = 400 * 1024
MAX_NAME_BYTES: Final = 65_535
MAX_DEPTH: Final = 31
"""Lists and maps inside each other; what the innermost holds is the 32nd level."""

INVALID: Final = "One or more parameter values were invalid: "
EMPTY_NAME: Final = "Empty attribute name"
EMPTY: Final = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
SEVERAL: Final = (
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)
TOO_DEEP: Final = (
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
)
TOO_LARGE: Final = "Item size has exceeded the maximum allowed size"
UPDATE_TOO_LARGE: Final = "Item size to update has exceeded the maximum allowed size"

SETS: Final = frozenset(("SS", "NS", "BS"))
ORDERED: Final = frozenset(("S", "N", "B"))
"""Types that can be keys, and that <, <=, BETWEEN and their like compare."""


def kind_of(value: Value) -> str:
    """The type's tag."""
    for kind in value:
        return kind
    raise AssertionError("a value without a type passed the gate")


def text_bytes(text: str) -> int:
    """Length in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def blob_bytes(blob: str) -> int:
    """Length of what base64 text stands for."""
    return len(blob) // 4 * 3 - (blob.endswith("=") + blob.endswith("=="))


# the gate


class _EmptyName(ValidationException):
    """Of a member of a map; in an item documents that are too deep are told before it."""

    type_name = "ValidationException"


def check(value: Value, depth: int = 0) -> int:
    """The value's size in bytes; numbers in it become canonical. ValidationException in AWS' words.

    JSON types are right already (`shapes`); `depth` counts the lists and maps around this value.
    """
    if len(value) != 1:
        if not value:
            raise NoValue(EMPTY)
        for kind, data in value.items():
            check({kind: data}, depth)  # what is wrong inside is reported before there being two
        raise NoValue(SEVERAL)
    ((kind, data),) = value.items()
    if kind == "S":
        return len(data) if data.isascii() else len(data.encode())
    if kind == "N":
        text = decimals.canonical(data)
        if text is not data:
            value["N"] = text
        return decimals.size(text)
    if kind == "B":
        return blob_bytes(data)
    if kind == "BOOL":
        return 1
    if kind == "NULL":
        if data is not True:
            raise ValidationException(f"{INVALID}Null attribute value types must have the value of true")
        return 1
    if kind == "M":
        if depth >= MAX_DEPTH:
            raise ValidationException(TOO_DEEP)
        size = 3 + len(data)
        for name, one in data.items():
            if not name:
                raise _EmptyName(EMPTY_NAME)
            if one is None:
                raise NoValue(EMPTY)
            size += check_name(name) + check(one, depth + 1)
        return size
    if kind == "L":
        if depth >= MAX_DEPTH:
            raise ValidationException(TOO_DEEP)
        size = 3 + len(data)
        for one in data:
            size += check(one, depth + 1)
        return size
    return _check_set(kind, value)


def _check_set(kind: str, value: Value) -> int:
    members: list[str] = value[kind]
    if kind == "SS":
        if not members:
            raise ValidationException(f"{INVALID}An string set  may not be empty")
        if len(set(members)) != len(members):
            listed = ", ".join([f'"{one}"' for one in _as_listed(members, str)])
            raise ValueFault(
                f"{INVALID}Input collection [{', '.join(members)}] contains duplicates.",
                f"{INVALID}Input collection [{listed}] contains duplicates.",
            )
        members.sort()
        return sum(map(text_bytes, members))
    if kind == "NS":
        if not members:
            raise ValidationException(f"{INVALID}An number set  may not be empty")
        members = [decimals.canonical(one) for one in members]
        if len(set(members)) != len(members):
            raise ValueFault("Input collection contains duplicates", f"{INVALID}Input collection contains duplicates.")
        members.sort(key=decimals.order)
        value["NS"] = members
        return sum(map(decimals.size, members))
    if not members:
        raise ValidationException(f"{INVALID}Binary sets should not be empty")
    if len(set(members)) != len(members):
        listed = ",".join([f'"{one}"' for one in _as_listed(members, b64decode)])
        raise ValueFault(
            f"{INVALID}Input collection [{', '.join(members)}]of type BS contains duplicates.",
            f"{INVALID}Input collection [{listed}]of type BS contains duplicates.",
        )
    members.sort(key=b64decode)
    return sum(map(blob_bytes, members))


def in_order(kind: str, members: list[str]) -> list[str]:
    """Members of a set in the order in which AWS returns them: of their bytes, or numbers."""
    return sorted(members, key=None if kind == "SS" else decimals.order if kind == "NS" else b64decode)


def _as_listed(members: list[str], order: Callable[[str], Any]) -> list[str]:
    """A set with doubles as AWS' newer layer lists it: in order up to the first double, then as it was sent."""
    first = next(place for place, one in enumerate(members) if one in members[:place])
    return sorted(members[:first], key=order) + members[first:]


def check_name(name: str) -> int:
    """The name's size in bytes."""
    size = len(name) if name.isascii() else len(name.encode())
    if size > MAX_NAME_BYTES:
        raise ValidationException(f"{INVALID}Attribute name is too large, must be less than {MAX_NAME_BYTES + 1} bytes")
    return size


def check_item(item: Item) -> int:
    """The size of an item or key in bytes; numbers in it become canonical."""
    if "" in item:
        raise ValidationException(EMPTY_NAME)
    size = 0
    for name, value in item.items():
        size += len(name) if name.isascii() and len(name) < 256 else check_name(name)
        if "S" in value and len(value) == 1:
            text = value["S"]
            size += len(text) if text.isascii() else len(text.encode())
        else:
            try:
                size += check(value)
            except _EmptyName:
                if any(depth_of(one) > MAX_DEPTH for one in item.values()):
                    raise ValidationException(TOO_DEEP) from None
                raise
    return size


# size of what passed the gate before


def value_size(value: Value) -> int:
    """What `check` returned for this value."""
    ((kind, data),) = value.items()
    if kind == "S":
        return len(data) if data.isascii() else len(data.encode())
    if kind == "N":
        return decimals.size(data)
    if kind == "B":
        return blob_bytes(data)
    if kind == "M":
        return 3 + len(data) + item_size(data)
    if kind == "L":
        return 3 + len(data) + sum(map(value_size, data))
    if kind == "SS":
        return sum(map(text_bytes, data))
    if kind == "NS":
        return sum(map(decimals.size, data))
    if kind == "BS":
        return sum(map(blob_bytes, data))
    return 1


def item_size(item: Mapping[str, Value]) -> int:
    return sum([text_bytes(name) + value_size(value) for name, value in item.items()])


def depth_of(value: Value) -> int:
    """Lists and maps on the deepest way into the value."""
    if "M" in value:
        return 1 + max(map(depth_of, value["M"].values()), default=0)
    if "L" in value:
        return 1 + max(map(depth_of, value["L"]), default=0)
    return 0


# equality and order


def equal(left: Value, right: Value) -> bool:
    """Same type and same value; sets have no order."""
    if left == right:
        return True
    kind = kind_of(left)
    if kind not in right:
        return False
    one, other = left[kind], right[kind]
    if kind in SETS:
        return len(one) == len(other) and set(one) == set(other)
    if kind == "L":
        return len(one) == len(other) and all(map(equal, one, other))
    if kind == "M":
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    return False


def order(value: Value) -> Any:
    """Something that compares as values of this type (S, N or B) do. Text: by its UTF-8, which is by code points."""
    for kind, data in value.items():
        if kind == "S":
            return data
        if kind == "N":
            return decimals.order(data)
        if kind == "B":
            return b64decode(data)
    raise AssertionError("only S, N and B have an order")


def show(value: Value) -> str:
    """A value as AWS' messages quote it: {S:a}."""
    for kind, data in value.items():
        if kind == "L":
            return f"{{L:[{', '.join(map(show, data))}]}}"
        if kind == "M":
            return f"{{M:{{{', '.join(f'{name}={show(one)}' for name, one in data.items())}}}}}"
        if kind in SETS:
            return f"{{{kind}:[{', '.join(data)}]}}"
        if kind in ("BOOL", "NULL"):
            return f"{{{kind}:{'true' if data else 'false'}}}"
        return f"{{{kind}:{data}}}"
    return "{}"
