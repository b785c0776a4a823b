"""CreateTable. The table can be used as soon as this is answered; the answer says CREATING, as AWS' does."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any, Final

from elastickv.dynamodb_api import streams, tables
from elastickv.dynamodb_api.descriptions import describe
from elastickv.dynamodb_api.errors import ResourceInUseException, ValidationException
from elastickv.dynamodb_api.hash_order import in_hash_order
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.schemas import (
    BILLING_MODE,
    DEFINITIONS,
    GLOBAL_INDEX,
    INVALID,
    KEY_SCHEMA,
    LOCAL_INDEX,
    MAX_GLOBAL,
    MAX_LOCAL,
    ON_DEMAND,
    SSE,
    STREAM,
    TABLE_CLASS,
    TAGS,
    THROUGHPUT,
    WARM,
    bracketed,
    check_global_key_schema,
    check_key_schema,
    check_on_demand,
    check_projected,
    check_projection,
    check_sse,
    check_table_class,
    check_throughput,
    merged_tags,
    names,
)
from elastickv.dynamodb_api.shapes import NEW_TABLE_NAME, Boolean, ListOf, Shape, required
from elastickv.dynamodb_api.unoffered import OF_CREATE_TABLE, check_unoffered
from elastickv.dynamodb_api.warm_throughput import check_new

log = logging.getLogger(__name__)

_SHAPE: Final = Shape(
    parameters=("TableName",),
    AttributeDefinitions=required(DEFINITIONS),
    TableName=NEW_TABLE_NAME,
    BillingMode=BILLING_MODE,
    ProvisionedThroughput=THROUGHPUT,
    KeySchema=required(KEY_SCHEMA),
    GlobalSecondaryIndexes=ListOf(GLOBAL_INDEX),
    LocalSecondaryIndexes=ListOf(LOCAL_INDEX),
    StreamSpecification=STREAM,
    SSESpecification=SSE,
    Tags=TAGS,
    TableClass=TABLE_CLASS,
    DeletionProtectionEnabled=Boolean(),
    OnDemandThroughput=ON_DEMAND,
    WarmThroughput=WARM,
    **OF_CREATE_TABLE,
)


@operation(
    "CreateTable",
    shape=_SHAPE,
    notes=("ResourcePolicy, vector indexes and what belongs to global tables are refused: there are none",),
)
def create_table(call: Call) -> dict[str, Any]:
    """Make a table; it serves at once."""
    request = call.request
    _check(request)
    name = request["TableName"]
    if tables.find(call.view, name) is not None:
        raise ResourceInUseException(f"Table already exists: {name}")
    table = tables.save(call.view, _record(call))
    return {"TableDescription": describe(call, table, status="CREATING")}


def _check(request: dict[str, Any]) -> None:
    check_unoffered(request)
    check_table_class(request.get("TableClass"))
    pay_per_request = request.get("BillingMode") == "PAY_PER_REQUEST"
    throughput = request.get("ProvisionedThroughput")
    if pay_per_request:
        if throughput is not None:
            raise ValidationException(
                f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
                "PAY_PER_REQUEST"
            )
    elif throughput is None:
        raise ValidationException(
            f"{INVALID}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
        )
    else:
        check_throughput(throughput)
    schema = request["KeySchema"]
    defined = names(request["AttributeDefinitions"])
    if len(schema) > len(defined):
        raise ValidationException("Invalid KeySchema: Some index key attribute have no definition")
    check_key_schema(schema, defined)
    for place, one in enumerate(defined):
        if one in defined[:place]:
            raise ValidationException(f"Attribute Name is duplicated: {one}")
    local = request.get("LocalSecondaryIndexes")
    spread = request.get("GlobalSecondaryIndexes")
    if local is None and spread is None and len(schema) != len(defined):
        raise ValidationException(
            f"{INVALID}Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
        )
    indexes = [*(local or ()), *(spread or ())]
    used = [*names(schema), *(name for one in indexes for name in names(one["KeySchema"]))]
    if indexes and set(used) < set(defined):
        raise ValidationException(
            f"{INVALID}Some AttributeDefinitions are not used. "
            f"AttributeDefinitions: {bracketed(in_hash_order(defined, len(defined)))}, "
            f"keys used: {bracketed(in_hash_order(used))}"
        )
    taken: set[str] = set()
    if local is not None:
        _check_local(schema, local, defined, taken)
    if spread is not None:
        _check_global(spread, defined, taken, pay_per_request)
    check_projected(indexes)
    check_on_demand(request.get("OnDemandThroughput"), pay_per_request, new=True)
    check_new(request.get("WarmThroughput"), throughput, "table")
    check_sse(request.get("SSESpecification"))
    stream = request.get("StreamSpecification")
    if stream is not None:
        if stream["StreamEnabled"] and "StreamViewType" not in stream:
            raise ValidationException(
                f"{INVALID}Table is being created with a stream enabled, UpdateViewType is required"
            )
        if not stream["StreamEnabled"] and "StreamViewType" in stream:
            raise ValidationException(
                f"{INVALID}Table is being created with a stream disabled, UpdateViewType should not be specified"
            )
    merged_tags({}, request.get("Tags", ()))


def _check_local(
    schema: Sequence[dict[str, str]], indexes: list[dict[str, Any]], defined: list[str], taken: set[str]
) -> None:
    if not indexes:
        raise ValidationException(f"{INVALID}List of LocalSecondaryIndexes is empty")
    if len(schema) < 2:
        raise ValidationException(
            f"{INVALID}Table KeySchema does not have a range key, which is required when specifying a "
            "LocalSecondaryIndex"
        )
    for index in indexes:
        name, own = index["IndexName"], index["KeySchema"]
        check_key_schema(own, defined)
        if len(own) < 2:
            raise ValidationException(f"{INVALID}Index KeySchema does not have a range key for index: {name}")
        hash_key, table_hash = own[0]["AttributeName"], schema[0]["AttributeName"]
        if hash_key != table_hash:
            raise ValidationException(
                f"{INVALID}Index KeySchema does not have the same leading hash key as table KeySchema for index: "
                f"{name}. index hash key: {hash_key}, table hash key: {table_hash}"
            )
        check_projection(index["Projection"])
        _take(name, taken)
    if len(indexes) > MAX_LOCAL:
        raise ValidationException(f"{INVALID}Number of LocalSecondaryIndexes exceeds per-table limit of {MAX_LOCAL}")


def _check_global(indexes: list[dict[str, Any]], defined: list[str], taken: set[str], pay_per_request: bool) -> None:
    if not indexes:
        raise ValidationException(f"{INVALID}List of GlobalSecondaryIndexes is empty")
    for index in indexes:
        name = index["IndexName"]
        check_global_key_schema(index["KeySchema"], defined)
        check_projection(index["Projection"])
        throughput = index.get("ProvisionedThroughput")
        if pay_per_request and throughput is not None:
            raise ValidationException(
                f"{INVALID}ProvisionedThroughput should not be specified for index: {name} when BillingMode is "
                "PAY_PER_REQUEST"
            )
        if not pay_per_request and throughput is None:
            raise ValidationException(f"{INVALID}ProvisionedThroughput is not specified for index: {name}")
        if throughput is not None:
            check_throughput(throughput)
        check_on_demand(index.get("OnDemandThroughput"), pay_per_request, name, new=True)
        check_new(index.get("WarmThroughput"), throughput, f"index {name}")
        _take(name, taken)
    if len(indexes) > MAX_GLOBAL:
        raise ValidationException(f"{INVALID}GlobalSecondaryIndex count exceeds the per-table limit of {MAX_GLOBAL}")


def _take(name: str, taken: set[str]) -> None:
    if name in taken:
        raise ValidationException(f"{INVALID}Duplicate index name: {name}")
    taken.add(name)


def _record(call: Call) -> dict[str, Any]:
    """The table's record; see `tables.Table`."""
    request, view = call.request, call.view
    now = call.now_ms / 1000
    pay_per_request = request.get("BillingMode") == "PAY_PER_REQUEST"
    record: dict[str, Any] = {
        "Id": tables.fresh_id(view),
        # Random is fine here: only the leader executes, and the log carries what it decided.
        "TableId": str(uuid.uuid4()),
        "TableName": request["TableName"],
        "AttributeDefinitions": request["AttributeDefinitions"],
        "KeySchema": request["KeySchema"],
        "CreationDateTime": now,
        "BillingMode": "PAY_PER_REQUEST" if pay_per_request else "PROVISIONED",
        "ProvisionedThroughput": request.get(
            "ProvisionedThroughput", {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
        ),
        "DeletionProtectionEnabled": request.get("DeletionProtectionEnabled", False),
        "Tags": merged_tags({}, request.get("Tags", ())),
    }
    if pay_per_request:
        record["OnDemandSince"] = now
    for member in ("TableClass", "OnDemandThroughput", "WarmThroughput"):
        if member in request:
            record[member] = request[member]
    sse = request.get("SSESpecification", {})
    if sse.get("Enabled"):
        record["SSE"] = sse
        log.warning(
            "table %s was made with server-side encryption: it is recorded, but this server encrypts nothing; "
            "use encrypted disks",
            request["TableName"],
        )
    for member in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        if member in request:
            record[member] = [{**one, "Id": tables.fresh_id(view), "IndexStatus": "ACTIVE"} for one in request[member]]
    stream = request.get("StreamSpecification", {})
    if stream.get("StreamEnabled"):
        record["Stream"] = streams.open_stream(
            view, request["TableName"], stream["StreamViewType"], request["KeySchema"]
        )
    return record
