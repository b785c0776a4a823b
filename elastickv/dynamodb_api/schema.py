"""Keys and items held against their table's schema. What is wrong is said in AWS' words, which are not the same for a
key that is looked up, an item that is put, and an update.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from elastickv.dynamodb_api.attributes import INVALID, Item, Key, Value, blob_bytes, kind_of, text_bytes, value_size
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import Arithmetic, Function, Operand, RemoveAction, Update, ValueRef
from elastickv.dynamodb_api.expressions.update import part_of_key
from elastickv.dynamodb_api.tables import Index, KeyAttribute, Table

MAX_PARTITION_BYTES: Final = 2048
MAX_SORT_BYTES: Final = 1024

MISMATCH: Final = "The provided key element does not match the schema"
NOT_VALID: Final = "One or more parameter values are not valid. "
_EMPTY: Final = "The AttributeValue for a key attribute cannot contain an empty {} value."
_WORDS: Final = {"S": "string", "B": "binary"}


class EmptyKeyValue(ValidationException):
    """A key attribute is an empty string or binary. Transactions report this for the whole request."""

    type_name = "ValidationException"


def check_key(table: Table, key: Key) -> None:
    """A key that is looked up: exactly the schema's attributes."""
    second = table.range
    if len(key) != (1 if second is None else 2):
        raise ValidationException(MISMATCH)
    _check_looked_up(key, table.hash, True)
    if second is not None:
        _check_looked_up(key, second, False)


def _check_looked_up(key: Key, attribute: KeyAttribute, partition: bool) -> None:
    value = key.get(attribute.name)
    if value is None or attribute.type not in value:
        raise ValidationException(MISMATCH)
    check_key_value(value, attribute, partition)


def check_key_value(value: Value, attribute: KeyAttribute, partition: bool) -> None:
    """A key value of the right type: neither empty nor too long."""
    kind = attribute.type
    if kind == "N":
        return
    data = value[kind]
    if not data:
        raise EmptyKeyValue(f"{NOT_VALID}{_EMPTY.format(_WORDS[kind])} Key: {attribute.name}")
    _check_length(kind, data, partition)


def _check_length(kind: str, data: str, partition: bool) -> None:
    if len(data) <= 256:
        return
    _check_size(text_bytes(data) if kind == "S" else blob_bytes(data), partition)


def _check_size(size: int, partition: bool) -> None:
    """Of a partition key or a sort key, all its attributes together."""
    if partition:
        if size > MAX_PARTITION_BYTES:
            raise ValidationException(
                f"{INVALID}Size of hashkey has exceeded the maximum size limit of{MAX_PARTITION_BYTES} bytes"
            )
    elif size > MAX_SORT_BYTES:
        raise ValidationException(
            f"{INVALID}Aggregated size of all range keys has exceeded the size limit of {MAX_SORT_BYTES} bytes"
        )


def _check_sizes(index: Index, item: Item) -> None:
    """Each attribute was found short enough by itself."""
    for attributes, partition in ((index.hashes, True), (index.ranges, False)):
        if len(attributes) > 1:
            given = [item[attribute.name] for attribute in attributes if attribute.name in item]
            _check_size(sum(map(value_size, given)), partition)


def check_item(table: Table, item: Item) -> None:
    """An item that is put: its key is there, and what is a key of an index has the right type."""
    _check_put(item, table.hash, True)
    if table.range is not None:
        _check_put(item, table.range, False)
    if table.indexes:
        for index, attribute, partition in table.index_keys:
            value = item.get(attribute.name)
            if value is not None:
                check_index_value(index, attribute, value, partition)
        for index in table.composite:
            _check_sizes(index, item)


def _check_put(item: Item, attribute: KeyAttribute, partition: bool) -> None:
    value = item.get(attribute.name)
    if value is None:
        raise ValidationException(f"{INVALID}Missing the key {attribute.name} in the item")
    if attribute.type not in value:
        raise ValidationException(
            f"{INVALID}Type mismatch for key {attribute.name} expected: {attribute.type} actual: {kind_of(value)}"
        )
    check_key_value(value, attribute, partition)


def check_index_value(index: Index, attribute: KeyAttribute, value: Value, partition: bool) -> None:
    kind = attribute.type
    if kind not in value:
        raise index_mismatch(index, attribute, kind_of(value))
    if kind != "N":
        data = value[kind]
        if not data:
            raise EmptyKeyValue(
                f"{NOT_VALID}A value specified for a secondary index key is not supported. "
                f"{_EMPTY.format(_WORDS[kind])} IndexName: {index.name}, IndexKey: {attribute.name}"
            )
        _check_length(kind, data, partition)


_SHORT: Final = 64
"""Characters: eight texts of this length are within all limits."""


def fits(index: Index, item: Item) -> bool:
    """Whether the item's values, which have the right types, can be keys of the index. Those of an item that was there
    before the index may be empty or too long: such an item is in none of its entries, as at AWS."""
    for attribute in index.keys:
        kind = attribute.type
        if kind != "N" and not 0 < len(item[attribute.name][kind]) <= _SHORT:
            break
    else:
        return True
    try:
        for attributes, partition in ((index.hashes, True), (index.ranges, False)):
            for attribute in attributes:
                check_index_value(index, attribute, item[attribute.name], partition)
        _check_sizes(index, item)
    except ValidationException:
        return False
    return True


def index_mismatch(index: Index, attribute: KeyAttribute, actual: str) -> ValidationException:
    return ValidationException(
        f"{INVALID}Type mismatch for Index Key {attribute.name} Expected: {attribute.type} "
        f"Actual: {actual} IndexName: {index.name}"
    )


# updates


def check_update(table: Table, update: Update, values: Mapping[str, Value]) -> None:
    """What an update's text says already: no action on the key, no value of a wrong type for an index."""
    targets = [str(action.path.steps[0]) for action in update.actions]
    for key in table.keys:
        if key.name in targets:
            raise part_of_key(key.name)
    if not table.indexes:
        return
    for index, attribute, _ in table.index_keys:
        if attribute.name not in targets:
            continue
        for action in update.actions:
            if action.path.steps != (attribute.name,) or isinstance(action, RemoveAction):
                continue
            kind = _type_of(action.value, values)
            if kind is not None and kind != attribute.type:
                raise index_mismatch(index, attribute, kind)
            if isinstance(action.value, ValueRef) and kind != "N" and not values[action.value.name][attribute.type]:
                raise _unsupported(attribute.type)


def _type_of(operand: Operand, values: Mapping[str, Value]) -> str | None:
    """The type of an update's operand, as far as it can be told without an item."""
    if isinstance(operand, ValueRef):
        return kind_of(values[operand.name])
    if isinstance(operand, Arithmetic):
        return "N"
    if isinstance(operand, Function):
        return "L" if operand.name == "list_append" else _type_of(operand.arguments[1], values)
    return None


def _unsupported(kind: str) -> EmptyKeyValue:
    return EmptyKeyValue(
        f"{NOT_VALID}The update expression attempted to update a secondary index key to a value "
        f"that is not supported. {_EMPTY.format(_WORDS[kind])}"
    )


def check_updated(table: Table, update: Update, item: Item) -> None:
    """What only the changed item shows."""
    if not table.indexes:
        return
    targets = {action.path.steps[0] for action in update.actions}
    for _, attribute, partition in table.index_keys:
        if attribute.name not in targets:
            continue
        value = item.get(attribute.name)
        if value is None:
            continue
        if attribute.type not in value:
            raise ValidationException(
                "The update expression attempted to update the secondary index key to unsupported type"
            )
        if attribute.type != "N":
            if not value[attribute.type]:
                raise _unsupported(attribute.type)
            _check_length(attribute.type, value[attribute.type], partition)
    for index in table.composite:
        if not targets.isdisjoint(attribute.name for attribute in index.keys):
            _check_sizes(index, item)


def check_nested_keys(table: Table, heads: Iterable[str]) -> None:
    """No path leads into a key attribute: keys are scalars."""
    heads = set(heads)
    if not heads:
        return
    for key in table.keys:
        if key.name in heads:
            raise _nested("Key", key.name)
    for _, attribute, _ in table.index_keys:
        if attribute.name in heads:
            raise _nested("IndexKey", attribute.name)


def _nested(what: str, name: str) -> ValidationException:
    return ValidationException(
        f"Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {what}: {name}"
    )
