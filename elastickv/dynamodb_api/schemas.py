"""The rules that key schemas, indexes, throughput and streams obey, for CreateTable and UpdateTable.

Shapes first, then the rules that span members, in AWS' order and words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from elastickv.dynamodb_api.composite_keys import MAX_ATTRIBUTES
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.hash_order import in_hash_order
from elastickv.dynamodb_api.shapes import NAME_PATTERN, Boolean, Kind, ListOf, Long, String, Struct, required, show

INVALID: Final = "One or more parameter values were invalid: "
MAX_UNITS: Final = 1_000_000_000_000
MAX_LOCAL: Final = 5
MAX_GLOBAL: Final = 20
MAX_PROJECTED: Final = 100
"""Attribute names in all INCLUDE projections of a table."""
MAX_TAGS: Final = 50

BILLING_MODE: Final = String(enum=("PROVISIONED", "PAY_PER_REQUEST"))
TABLE_CLASS: Final = String()
_CLASSES: Final = ("STANDARD", "STANDARD_INFREQUENT_ACCESS")
THROUGHPUT: Final = Struct(
    "ProvisionedThroughput",
    WriteCapacityUnits=required(Long(min=1)),
    ReadCapacityUnits=required(Long(min=1)),
)
ON_DEMAND: Final = Struct("OnDemandThroughput", MaxReadRequestUnits=Long(), MaxWriteRequestUnits=Long())
WARM: Final = Struct("WarmThroughput", ReadUnitsPerSecond=Long(), WriteUnitsPerSecond=Long())
DEFINITIONS: Final = ListOf(
    Struct(
        "AttributeDefinition",
        AttributeType=required(String(enum=("B", "N", "S"))),
        AttributeName=required(String(min=1, max=255)),
    )
)
INDEX_NAME: Final = String(pattern=NAME_PATTERN, min=3, max=255, length_first=True)
"""Of an index that is being made."""
_KEY: Final = Struct(
    "KeySchemaElement",
    AttributeName=required(String(min=1, max=255)),
    KeyType=required(String(enum=("HASH", "RANGE"))),
)
KEY_SCHEMA: Final = ListOf(_KEY, min=1, max=2)
"""Of a table or a local index."""
PROJECTION: Final = Struct(
    "Projection",
    ProjectionType=String(enum=("ALL", "INCLUDE", "KEYS_ONLY")),
    NonKeyAttributes=ListOf(String(min=1, max=255), min=1, max=20),
)
LOCAL_INDEX: Final = Struct(
    "LocalSecondaryIndex",
    IndexName=required(INDEX_NAME),
    KeySchema=required(KEY_SCHEMA),
    Projection=required(PROJECTION),
)
_GLOBAL: Final[dict[str, Kind]] = {
    "IndexName": required(INDEX_NAME),
    "KeySchema": required(ListOf(_KEY, min=1)),
    "Projection": required(PROJECTION),
    "ProvisionedThroughput": THROUGHPUT,
    "OnDemandThroughput": ON_DEMAND,
    "WarmThroughput": WARM,
}
GLOBAL_INDEX: Final = Struct("GlobalSecondaryIndex", **_GLOBAL)
CREATE_INDEX: Final = Struct("CreateGlobalSecondaryIndexAction", **_GLOBAL)
STREAM: Final = Struct(
    "StreamSpecification",
    StreamEnabled=required(Boolean()),
    StreamViewType=String(enum=("OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE")),
)
SSE: Final = Struct(
    "SSESpecification", Enabled=Boolean(), SSEType=String(enum=("AES256", "KMS")), KMSMasterKeyId=String(min=1)
)
TAG: Final = Struct("Tag", Key=String(), Value=String())
TAGS: Final = ListOf(TAG)


def names(schema: Sequence[Mapping[str, str]]) -> list[str]:
    return [one["AttributeName"] for one in schema]


def bracketed(words: Sequence[str]) -> str:
    return f"[{', '.join(words)}]"


def check_throughput(throughput: Mapping[str, Any]) -> None:
    for member in ("ReadCapacityUnits", "WriteCapacityUnits"):
        if throughput[member] > MAX_UNITS:
            raise ValidationException(f"Given value {throughput[member]} for {member} is out of bounds")


def check_key_schema(schema: Sequence[Mapping[str, str]], defined: Sequence[str]) -> None:
    """A table's or local index's."""
    keys = names(schema)
    _check_defined(keys, defined)
    if len(set(keys)) < len(keys):
        raise ValidationException("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    _check_first(schema)
    if len(schema) > 1 and schema[1]["KeyType"] != "RANGE":
        raise ValidationException("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")


def check_global_key_schema(schema: Sequence[Mapping[str, str]], defined: Sequence[str]) -> None:
    """A global index's: up to four attributes for the partition key, then up to four for the sort key."""
    keys = names(schema)
    _check_defined(keys, defined)
    if len(set(keys)) < len(keys):
        raise ValidationException("The KeySchema contains multiple key attributes with the same name")
    _check_first(schema)
    kinds = [one["KeyType"] for one in schema]
    if kinds != sorted(kinds):
        raise ValidationException(
            f"{INVALID}All HASH key attributes must precede RANGE key attributes in the KeySchema"
        )
    for kind in ("HASH", "RANGE"):
        if kinds.count(kind) > MAX_ATTRIBUTES:
            raise ValidationException(
                f"{INVALID}The KeySchema exceeds the maximum allowed number of {kind} key attributes"
            )


def _check_defined(keys: Sequence[str], defined: Sequence[str]) -> None:
    if any(key not in defined for key in keys):
        raise ValidationException(
            f"{INVALID}Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: {bracketed(keys)}, "
            f"AttributeDefinitions: {bracketed(in_hash_order(defined, len(defined)))}"
        )


def _check_first(schema: Sequence[Mapping[str, str]]) -> None:
    if schema[0]["KeyType"] != "HASH":
        raise ValidationException("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")


def check_projection(projection: Mapping[str, Any]) -> None:
    kind = projection.get("ProjectionType")
    if kind is None:
        raise ValidationException(f"{INVALID}Unknown ProjectionType: null")
    others: Sequence[str] | None = projection.get("NonKeyAttributes")
    if others is not None and kind != "INCLUDE":
        raise ValidationException(f"{INVALID}ProjectionType is {kind}, but NonKeyAttributes is specified")
    if others is None and kind == "INCLUDE":
        raise ValidationException(f"{INVALID}ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    seen = set()
    for other in others or ():
        if other in seen:
            raise ValidationException(f"{INVALID}Duplicate element in NonKeyAttributes: {other}")
        seen.add(other)


def check_projected(indexes: Sequence[Mapping[str, Any]]) -> None:
    """The limit that holds for all indexes of a table together."""
    projected = sum(len(one["Projection"].get("NonKeyAttributes", ())) for one in indexes)
    if projected > MAX_PROJECTED:
        raise ValidationException(
            f"{INVALID}Number of projected attributes in all indexes exceeds the per-table limit of {MAX_PROJECTED}"
        )


def check_on_demand(
    limits: Mapping[str, int] | None, pay_per_request: bool, index: str = "", *, new: bool = False
) -> None:
    """Of a table, or of an index by its name. `new`: of a table that is being made, which has no limit that -1 could
    take away."""
    what = f"index : {index}" if index else "table"
    for member, value in (limits or {}).items():
        if not pay_per_request:
            if new:
                suffix = f" for index: {index}" if index else ""
                when = "table BillingMode is PROVISIONED."
            else:
                suffix = f" for {what}" if index else ""
                when = "the table BillingMode is PROVISIONED"
            raise ValidationException(
                f"{INVALID}{member} for OnDemandThroughput{suffix} cannot be specified when {when}"
            )
        if value < 1 and (new or value != -1):
            raise ValidationException(
                f"{INVALID}Requested {member} for OnDemandThroughput for {what} is outside of valid range"
            )


def check_table_class(name: str | None) -> None:
    if name is not None and name not in _CLASSES:
        raise ValidationException(
            "Invalid table-class parameter provided. Please try again with a valid table-class value: "
            f"{bracketed(_CLASSES)}."
        )


def check_sse(specification: Mapping[str, Any] | None) -> None:
    if specification is None:
        return
    if not specification.get("Enabled", False):
        for member in ("SSEType", "KMSMasterKeyId"):
            if member in specification:
                raise ValidationException(f"{INVALID}{member} can not be specified if Enabled is false")
    if specification.get("SSEType") == "AES256":
        raise ValidationException(f"{INVALID}SSEType AES256 is not supported")
    if "KMSMasterKeyId" in specification and "SSEType" not in specification:
        raise ValidationException(f"{INVALID}SSEType KMS is required if KMSMasterKeyId is specified")


def merged_tags(present: Mapping[str, str], tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """A table's tags after these were added."""
    merged = dict(present)
    seen = set()
    for tag in tags:
        key, value = tag.get("Key"), tag.get("Value")
        if key is None or not 1 <= len(key) <= 128:
            raise ValidationException(f"The Tag Key provided is invalid, Key: {show(key)}")
        if key.lower().startswith("aws:"):
            raise ValidationException(f"Tag Key cannot be prefixed with aws:, Key: {key}")
        if value is None or len(value) > 256:
            raise ValidationException(f"The Tag Value provided is invalid, Value: {show(value)}")
        if key in seen:
            raise ValidationException(f"Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}")
        seen.add(key)
        merged[key] = value
    if len(merged) > MAX_TAGS:
        raise ValidationException("Number of Tags exceed the current limit for the provided ResourceArn")
    return merged
