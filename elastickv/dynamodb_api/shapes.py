"""The shape of a request: kinds of fields, and what AWS says when a request does not have it.

Two passes, as at AWS. First the JSON is brought into the types of the API: unknown members and nulls fall away, "true"
becomes a boolean, 1.5 an integer; what cannot be brought there is a SerializationException, at the first such place.
Then constraints are checked in the order in which the API's model declares its members, and up to ten of them are
reported in one ValidationException. Rules that span members are the operation's own (they come after both passes).

Wordings are those that AWS answers with, as recorded by dynalite's (Apache-2.0) tests against the service.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, Final

from elastickv.dynamodb_api.errors import SerializationException, ValidationException

MAX_ERRORS: Final = 10
MAX_ARN: Final = 1024
NAME_PATTERN: Final = "[a-zA-Z0-9_.-]+"
_MODEL: Final = "com.amazonaws.dynamodb.v20120810."
_PARAMETERIZED: Final = (
    "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class java.lang.Class "
    "(sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are in module java.base of "
    "loader 'bootstrap')"
)
BAD_KEYS: Final = "Map keys must satisfy constraint: "
_STRUCTURE: Final = "Start of structure or map found where not expected"


def _number_word(value: float) -> str:
    return "NUMBER_VALUE" if float(value).is_integer() else "DECIMAL_VALUE"


def show(value: Any) -> str:
    """A value as validation messages quote it."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={show(one)}" for key, one in value.items()) + "}"
    return str(value)


def lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _refuse(errors: list[str], value: Any, path: str, constraint: str, kind: Kind | None = None) -> None:
    if len(errors) < MAX_ERRORS:
        quoted = "null" if value is None else f"'{kind.show(value) if kind is not None else show(value)}'"
        errors.append(f"Value {quoted} at '{path}' failed to satisfy constraint: {constraint}")


class Kind:
    """What a member may be. `convert` is the first pass, `check` the second."""

    name = ""
    """Its Java type, as far as messages show it."""
    required = False
    plain = False
    """Nothing to check in the second pass."""

    def convert(self, value: Any, *, element: bool = False) -> Any:
        """The value in the API's type; `value` is not None. `element`: of a list or map, not a member of a struct."""
        raise NotImplementedError

    def nothing(self) -> Any:
        """What a null in a list or map becomes. (As a member of a struct it is as if it were not there.)"""
        return None

    def check(self, value: Any, path: str, errors: list[str]) -> None:
        """Append a message for each constraint that the converted value does not meet."""

    def show(self, value: Any) -> str:
        """The value as validation messages quote it."""
        return show(value)

    def describe(self) -> str:
        """For the generated table."""
        return type(self).__name__


class _Sized(Kind):
    def __init__(
        self,
        *,
        min: int | None = None,
        max: int | None = None,
        pattern: str = "",
        enum: Sequence[str] = (),
        length_first: bool = False,
    ) -> None:
        self.min = min
        self.max = max
        self.pattern = pattern
        self._match = re.compile(pattern).fullmatch if pattern else None
        self.enum = tuple(enum)
        self.length_first = length_first
        """A length that is wrong is told before the pattern. (AWS' order is not the same for all members.)"""
        self._known = frozenset(enum)
        self.plain = not (pattern or enum or min is not None or max is not None)

    def check(self, value: Any, path: str, errors: list[str]) -> None:
        matches = self._match is None or self._match(value)
        if not matches and not self.length_first:
            _refuse(errors, value, path, f"Member must satisfy regular expression pattern: {self.pattern}", self)
        if self.min is not None and len(value) < self.min:
            _refuse(errors, value, path, f"Member must have length greater than or equal to {self.min}", self)
        if self.max is not None and len(value) > self.max:
            _refuse(errors, value, path, f"Member must have length less than or equal to {self.max}", self)
        if not matches and self.length_first:
            _refuse(errors, value, path, f"Member must satisfy regular expression pattern: {self.pattern}", self)
        if self._known and value not in self._known:
            _refuse(errors, value, path, f"Member must satisfy enum value set: [{', '.join(self.enum)}]")


class String(_Sized):
    name = "java.lang.String"

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is str:
            return value
        raise _not_a_scalar(value, "String")


class Blob(Kind):
    """Base64 text; stays text, but is known to be valid."""

    plain = True

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is not str:
            if isinstance(value, list):
                raise SerializationException("Unrecognized collection type class java.nio.ByteBuffer")
            if isinstance(value, dict):
                raise SerializationException(_STRUCTURE)
            raise SerializationException("only base-64-encoded strings are convertible to bytes")
        if len(value) % 4:
            raise SerializationException(
                f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(value)}"
            )
        try:
            decoded = b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise SerializationException("Invalid last non-pad Base64 character dectected") from None
        if b64encode(decoded) != value.encode():
            raise SerializationException("Invalid last non-pad Base64 character dectected")
        return value


class Boolean(Kind):
    plain = True

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value is True or value is False:
            return value
        if isinstance(value, str):
            word = value.upper()
            if word in ("TRUE", "1", "YES"):
                return True
            if word in ("FALSE", "0", "NO"):
                return False
            raise SerializationException("Unexpected token received from parser")
        raise _not_a_scalar(value, "Boolean")


class Integer(Kind):
    """Also Long: fractions are cut off."""

    def __init__(self, *, min: int | None = None, max: int | None = None, name: str = "Integer") -> None:
        self.min = min
        self.max = max
        self._name = name
        self.plain = min is None and max is None

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is int:
            return value
        if value.__class__ is float:
            return int(value // 1)
        if value is True or value is False:
            word = "TRUE_VALUE" if value else "FALSE_VALUE"
            raise SerializationException(f"{word} cannot be converted to {self._name}")
        if isinstance(value, str):
            raise SerializationException(f"STRING_VALUE cannot be converted to {self._name}")
        raise _not_a_scalar(value, self._name)

    def check(self, value: Any, path: str, errors: list[str]) -> None:
        if self.min is not None and value < self.min:
            _refuse(errors, value, path, f"Member must have value greater than or equal to {self.min}")
        if self.max is not None and value > self.max:
            _refuse(errors, value, path, f"Member must have value less than or equal to {self.max}")

    def describe(self) -> str:
        return self._name


def Long(*, min: int | None = None, max: int | None = None) -> Integer:
    return Integer(min=min, max=max, name="Long")


class Double(Integer):
    """A number that keeps its fraction."""

    def __init__(self) -> None:
        super().__init__(name="Double")

    def convert(self, value: Any, *, element: bool = False) -> Any:
        return value if value.__class__ is float else super().convert(value)


def _not_a_scalar(value: Any, name: str) -> SerializationException:
    if value is True or value is False:
        return SerializationException(f"{'TRUE_VALUE' if value else 'FALSE_VALUE'} cannot be converted to {name}")
    if isinstance(value, int | float):
        return SerializationException(f"{_number_word(value)} cannot be converted to {name}")
    if isinstance(value, list):
        return SerializationException(f"Unrecognized collection type class java.lang.{name}")
    return SerializationException(_STRUCTURE)


class ListOf(_Sized):
    def __init__(self, member: Kind, *, min: int | None = None, max: int | None = None) -> None:
        super().__init__(min=min, max=max)
        self.member = member
        self.name = f"java.util.List<{member.name}>"
        self.plain = False

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is not list:
            if isinstance(value, dict):
                raise SerializationException(_STRUCTURE)
            raise SerializationException(_PARAMETERIZED if element else "Unexpected field type")
        convert = self.member.convert
        nothing = self.member.nothing
        return [nothing() if one is None else convert(one, element=True) for one in value]

    def check(self, value: Any, path: str, errors: list[str]) -> None:
        super().check(value, path, errors)
        member = self.member
        for number, one in enumerate(value, 1):
            if one is None:
                _refuse(errors, None, f"{path}.{number}.member", "Member must not be null")
            elif not member.plain:
                member.check(one, f"{path}.{number}.member", errors)

    def show(self, value: Any) -> str:
        return "[" + ", ".join("null" if one is None else self.member.show(one) for one in value) + "]"

    def describe(self) -> str:
        return f"list of {self.member.describe()}"


class MapOf(_Sized):
    """`keys` and `values` constrain lengths (and keys' characters) of what is inside."""

    def __init__(
        self,
        value: Kind,
        *,
        min: int | None = None,
        max: int | None = None,
        keys: _Sized | None = None,
        values: _Sized | None = None,
    ) -> None:
        super().__init__(min=min, max=max)
        self.value = value
        self.keys = keys
        self.values = values
        self.name = f"java.util.Map<java.lang.String, {value.name}>"
        # A null inside must be found, unless it becomes something else.
        self.plain = self.plain and value.plain and keys is None and values is None and value.nothing() is not None

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is not dict:
            if isinstance(value, list):
                raise SerializationException(f"Unrecognized collection type {self.name}")
            raise SerializationException(_PARAMETERIZED if element else "Unexpected field type")
        convert = self.value.convert
        for key, one in value.items():
            value[key] = self.value.nothing() if one is None else convert(one, element=True)
        return value

    def check(self, value: Any, path: str, errors: list[str]) -> None:
        super().check(value, path, errors)
        if self.keys is not None:
            for key in value:
                if _fails(self.keys, key):
                    constraint = f"{BAD_KEYS}[{_constraints(self.keys)}]"
                    _refuse(errors, value, path, constraint, self)
        if self.values is not None:
            for one in value.values():
                if one is not None and _fails(self.values, one):
                    constraint = f"Map value must satisfy constraint: [{_constraints(self.values)}]"
                    _refuse(errors, value, path, constraint, self)
        if not self.value.plain or None in value.values():
            for key, one in value.items():
                if one is None:
                    _refuse(errors, None, f"{path}.{key}.member", "Member must not be null")
                else:
                    self.value.check(one, f"{path}.{key}.member", errors)

    def show(self, value: Any) -> str:
        shown = (f"{key}={'null' if one is None else self.value.show(one)}" for key, one in value.items())
        return "{" + ", ".join(shown) + "}"

    def describe(self) -> str:
        return f"map of {self.value.describe()}"


def _fails(kind: Kind, value: Any) -> bool:
    errors: list[str] = []
    kind.check(value, "", errors)
    return bool(errors)


def _constraints(kind: _Sized) -> str:
    parts = []
    if kind.max is not None:
        parts.append(f"Member must have length less than or equal to {kind.max}")
    if kind.min is not None:
        parts.append(f"Member must have length greater than or equal to {kind.min}")
    if kind.pattern:
        parts.append(f"Member must satisfy regular expression pattern: {kind.pattern}")
    return ", ".join(parts)


class Struct(Kind):
    """Members in the order in which AWS checks them."""

    def __init__(self, name: str, /, **members: Kind) -> None:
        self.name = _MODEL + name
        self.members = members
        self._must = [one for one, kind in members.items() if kind.required]
        self._constrained = {one: kind for one, kind in members.items() if not kind.plain}
        self.plain = not self._must and not self._constrained

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is not dict:
            if isinstance(value, list):
                raise SerializationException(f"Unrecognized collection type class {self.name}")
            raise SerializationException("Unexpected value type in payload" if element else "Unexpected field type")
        members = self.members
        try:
            for name, one in value.items():
                value[name] = members[name].convert(one)
            return value
        except (KeyError, SerializationException):
            return self._convert_in_order(value)

    def _convert_in_order(self, value: dict[str, Any]) -> dict[str, Any]:
        """The careful way: unknown members and nulls go, and of several wrong ones the first declared is reported."""
        members = self.members
        for name in [name for name, one in value.items() if one is None or name not in members]:
            del value[name]
        for name, kind in members.items():
            if name in value:
                value[name] = kind.convert(value[name])
        return value

    def check(self, value: Any, path: str, errors: list[str]) -> None:
        found: list[str] = []
        constrained = self._constrained
        for name in self._must:
            if name not in value:
                break
        else:
            for name, one in value.items():
                kind = constrained.get(name)
                if kind is not None:
                    kind.check(one, "", found)
            if not found:
                return
        inside = f"{path}." if path else ""
        for name, kind in self.members.items():
            one = value.get(name)
            if one is not None:
                if not kind.plain:
                    kind.check(one, inside + lower_first(name), errors)
            elif kind.required:
                _refuse(errors, None, inside + lower_first(name), "Member must not be null")

    def show(self, value: Any) -> str:
        shown = (
            f"{lower_first(name)}={kind.show(value[name]) if name in value else 'null'}"
            for name, kind in self.members.items()
        )
        return f"{self.describe()}({', '.join(shown)})"

    def describe(self) -> str:
        return self.name.removeprefix(_MODEL)


class AttributeValueKind(Kind):
    """{"S": …}: only JSON types are checked here. Which values make sense (numbers, sets, exactly one type) is
    `attributes`' business, and is asked in the operation's own order."""

    name = _MODEL + "AttributeValue"
    plain = True

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is dict:
            for tag, one in value.items():
                # Ordinary values pass without another look.
                if (one.__class__ is str and (tag == "S" or tag == "N")) or (one.__class__ is bool and tag == "BOOL"):
                    continue
                break
            else:
                return value
        return _ATTRIBUTE_VALUE.convert(value, element=element)

    def nothing(self) -> Any:
        return {}  # an AttributeValue without a type, which is refused in the operation's own order

    def show(self, value: Any) -> str:
        return _ATTRIBUTE_VALUE.show(value)

    def describe(self) -> str:
        return "AttributeValue"


class _AttributeValue(Struct):
    _SHOWN: Final = ("S", "N", "B", "INT", "DECIMAL", "DOUBLE", "SS", "NS", "BS")
    _SHOWN_TOO: Final = ("INTSET", "DECIMALSET", "DOUBLESET", "M", "L", "NULL", "BOOL")
    """Members as AWS has them inside, in its order; INT and its like are not in the API."""

    def show(self, value: Any) -> str:
        shown = (
            f"{lower_first(name)}={self.members[name].show(value[name]) if name in value else 'null'}"
            for name in self._SHOWN + self._SHOWN_TOO
        )
        return f"AttributeValue({', '.join(shown)})"


ATTRIBUTE_VALUE: Final = AttributeValueKind()
_ATTRIBUTE_VALUE: Final = _AttributeValue(
    "AttributeValue",
    S=String(),
    N=String(),
    B=Blob(),
    SS=ListOf(String()),
    NS=ListOf(String()),
    BS=ListOf(Blob()),
    M=MapOf(ATTRIBUTE_VALUE),
    L=ListOf(ATTRIBUTE_VALUE),
    NULL=Boolean(),
    BOOL=Boolean(),
)


class _Required(Kind):
    """Marks a member that must be there; everything else is the kind's it wraps."""

    required = True

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.name
        self.plain = kind.plain
        self.convert = kind.convert  # type: ignore[method-assign]  # one call less per member on the hot path
        self.check = kind.check  # type: ignore[method-assign]
        self.show = kind.show  # type: ignore[method-assign]
        self.describe = kind.describe  # type: ignore[method-assign]


class _Item(MapOf):
    """A map of attribute values: the hot path of every write."""

    def __init__(self) -> None:
        super().__init__(ATTRIBUTE_VALUE)

    def convert(self, value: Any, *, element: bool = False) -> Any:
        if value.__class__ is not dict:
            return super().convert(value, element=element)
        for name, one in value.items():
            # Texts and numbers pass without another look, and without a call.
            if one.__class__ is dict and len(one) == 1:
                text = one.get("S") or one.get("N")
                if text.__class__ is str:
                    continue
            value[name] = {} if one is None else ATTRIBUTE_VALUE.convert(one, element=True)
        return value


def required(kind: Kind) -> Kind:
    """The same kind, for a member that must be present ("Member must not be null")."""
    return _Required(kind)


class Shape(Struct):
    """A whole request.

    `parameters` are members that AWS asks for before all other checks, with words of their own: "The parameter
    'TableName' is required but was not present in the request".
    """

    def __init__(self, /, parameters: Sequence[str] = (), **members: Kind) -> None:
        super().__init__("Request", **members)
        self.parameters = tuple(parameters)

    def accept(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request in the API's types; SerializationException or ValidationException."""
        self.convert(request)
        if self.parameters:
            for name in self.parameters:
                if name not in request:
                    raise ValidationException(f"The parameter '{name}' is required but was not present in the request")
        errors: list[str] = []
        self.check(request, "", errors)
        if errors:
            raise self.refusal(request, errors)
        return request

    def refusal(self, request: dict[str, Any], errors: list[str]) -> ValidationException:
        """What is said of a request that does not meet its constraints."""
        plural = "s" if len(errors) > 1 else ""
        return ValidationException(f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}")


_MAX_GOOD: Final = 1024


class TableName(String):
    """The name of a table, or its ARN. Where a table is made or administered its name must have three characters; who
    names a table by which items are read or written, however short, hears that it is not there."""

    def __init__(self, min: int = 1, *, length_first: bool = False) -> None:
        super().__init__(pattern=NAME_PATTERN, min=min, max=255, length_first=length_first)
        self.passed: set[str] = set()
        """Some names that are right."""

    def check(self, value: Any, path: str, errors: list[str]) -> None:
        if value in self.passed:
            return
        if not value and self.min == 1:
            _refuse(errors, value, path, "Member must have length greater than or equal to 1")
        elif not value.startswith("arn:"):
            before = len(errors)
            super().check(value, path, errors)
            if len(errors) == before and len(self.passed) < _MAX_GOOD:
                self.passed.add(value)
        elif len(value) > MAX_ARN:
            _refuse(errors, value, path, f"Member must have length less than or equal to {MAX_ARN}")

    def describe(self) -> str:
        return "String"


# What many operations share

NAME: Final = String(pattern=NAME_PATTERN, min=3, max=255)
"""Of a table or index."""
TABLE_NAME: Final = TableName()
ADMINISTERED_TABLE: Final = TableName(min=3, length_first=True)
NEW_TABLE_NAME: Final = TableName(min=3)
"""Also of tables that are keys of a map."""
ITEM: Final = _Item()
"""A whole item, or a key."""
NAMES: Final = MapOf(String())
"""ExpressionAttributeNames."""
VALUES: Final = MapOf(ATTRIBUTE_VALUE)
"""ExpressionAttributeValues."""
RETURN_CONSUMED_CAPACITY: Final = String(enum=("INDEXES", "TOTAL", "NONE"))
RETURN_ITEM_COLLECTION_METRICS: Final = String(enum=("SIZE", "NONE"))
