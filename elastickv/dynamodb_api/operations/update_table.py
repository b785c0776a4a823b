"""UpdateTable. Everything takes effect at once; only a new index of a large table is filled in the background."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import streams, tables
from elastickv.dynamodb_api.backfill import fill_some
from elastickv.dynamodb_api.descriptions import describe
from elastickv.dynamodb_api.errors import (
    LimitExceededException,
    ResourceInUseException,
    ResourceNotFoundException,
    ValidationException,
)
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.schemas import (
    BILLING_MODE,
    CREATE_INDEX,
    DEFINITIONS,
    INVALID,
    MAX_GLOBAL,
    ON_DEMAND,
    SSE,
    STREAM,
    TABLE_CLASS,
    THROUGHPUT,
    WARM,
    check_global_key_schema,
    check_on_demand,
    check_projected,
    check_projection,
    check_sse,
    check_table_class,
    check_throughput,
    names,
)
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, NAME, Boolean, ListOf, Shape, Struct, required
from elastickv.dynamodb_api.tables import Table
from elastickv.dynamodb_api.unoffered import OF_UPDATE_TABLE, check_unoffered
from elastickv.dynamodb_api.update_concerns import check_concerns
from elastickv.dynamodb_api.warm_throughput import check_change, check_new, current

_SHAPE: Final = Shape(
    parameters=("TableName",),
    AttributeDefinitions=DEFINITIONS,
    TableName=ADMINISTERED_TABLE,
    ProvisionedThroughput=THROUGHPUT,
    BillingMode=BILLING_MODE,
    GlobalSecondaryIndexUpdates=ListOf(
        Struct(
            "GlobalSecondaryIndexUpdate",
            Update=Struct(
                "UpdateGlobalSecondaryIndexAction",
                IndexName=required(NAME),
                ProvisionedThroughput=THROUGHPUT,
                OnDemandThroughput=ON_DEMAND,
                WarmThroughput=WARM,
            ),
            Create=CREATE_INDEX,
            Delete=Struct("DeleteGlobalSecondaryIndexAction", IndexName=required(NAME)),
        )
    ),
    StreamSpecification=STREAM,
    SSESpecification=SSE,
    TableClass=TABLE_CLASS,
    DeletionProtectionEnabled=Boolean(),
    OnDemandThroughput=ON_DEMAND,
    WarmThroughput=WARM,
    **OF_UPDATE_TABLE,
)
_ONE_AT_A_TIME: Final = (
    "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
)
_SIMPLE: Final = ("TableClass", "DeletionProtectionEnabled")

Record = dict[str, Any]


@operation(
    "UpdateTable",
    shape=_SHAPE,
    notes=("vector indexes and what belongs to global tables are refused: there are none",),
)
def update_table(call: Call) -> dict[str, Any]:
    """Change throughput, billing, indexes, stream, protection and class of a table."""
    request = call.request
    _check(request)
    table = tables.described_table(call.view, request["TableName"])
    if any(one.status != "ACTIVE" for one in table.indexes.values()):
        if any("Update" not in one for one in request.get("GlobalSecondaryIndexUpdates", ())):
            raise LimitExceededException(_ONE_AT_A_TIME)
        raise ResourceInUseException(
            f"Attempt to change a resource which is still in use: Table is being updated: {table.name}"
        )
    record: Record = dict(table.raw)
    if "GlobalSecondaryIndexes" in record:
        record["GlobalSecondaryIndexes"] = [dict(one) for one in record["GlobalSecondaryIndexes"]]
    _billing(call, table, record)
    for update in request.get("GlobalSecondaryIndexUpdates", ()):
        _index(call, table, record, update)
    _stream(call, table, record)
    _encryption(request, record)
    check_change(request.get("WarmThroughput"), record, "table")
    _limits(record, request)
    for member in _SIMPLE:
        if member in request:
            record[member] = request[member]
    changed = tables.save(call.view, record)
    answer = {"TableDescription": describe(call, changed, table_status="UPDATING")}
    for index in changed.indexes.values():
        if index.status != "ACTIVE":
            # A small table's is ACTIVE with the next request; waiters look every 20 seconds.
            fill_some(call.view, changed, index, b"")
    return answer


def _check(request: Record) -> None:
    """What the request alone tells."""
    check_unoffered(request)
    updates = request.get("GlobalSecondaryIndexUpdates")
    for update in updates or ():
        if update.get("Update", {}).get("WarmThroughput") == {}:
            raise ValidationException(
                f"{INVALID}WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond "
                f"specified for index: {update['Update']['IndexName']}"
            )
    check_concerns(request)
    check_table_class(request.get("TableClass"))
    throughput = request.get("ProvisionedThroughput")
    if request.get("BillingMode") == "PROVISIONED" and throughput is None:
        raise ValidationException(f"{INVALID}ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    if throughput is not None:
        check_throughput(throughput)
    touched: set[str] = set()
    remade = 0
    for update in updates or ():
        if not update:
            raise ValidationException(
                f"{INVALID}One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
                "GlobalSecondaryIndexUpdate.Delete must not be null"
            )
        if len(update) > 1:
            raise ValidationException(
                f"{INVALID}Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object"
            )
        ((action, index),) = update.items()
        name = index["IndexName"]
        if name in touched:
            raise ValidationException(
                f"{INVALID}Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )
        touched.add(name)
        remade += action != "Update"
    if remade and throughput is not None:
        raise ValidationException(f"{INVALID}You cannot create or delete index while updating table IOPS")
    stream = request.get("StreamSpecification")
    if stream is not None:
        if throughput is not None:
            raise ValidationException(f"{INVALID}You cannot modify stream status while updating table IOPS")
        if remade:
            raise ValidationException(f"{INVALID}You cannot create or delete index while changing stream status")
        if stream["StreamEnabled"] and "StreamViewType" not in stream:
            raise ValidationException(f"{INVALID}If stream is being enabled then UpdateViewType is required")
        if not stream["StreamEnabled"] and "StreamViewType" in stream:
            raise ValidationException(
                f"{INVALID}If stream is being disabled, then UpdateViewType must not be specified"
            )
    check_sse(request.get("SSESpecification"))
    if remade > 1:
        raise LimitExceededException(_ONE_AT_A_TIME)


# billing and throughput


def _billing(call: Call, table: Table, record: Record) -> None:
    request = call.request
    before = record["BillingMode"]
    after = request.get("BillingMode", before)
    throughput = request.get("ProvisionedThroughput")
    if after == "PAY_PER_REQUEST" and throughput is not None:
        raise ValidationException(
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST"
        )
    check_on_demand(request.get("OnDemandThroughput"), after == "PAY_PER_REQUEST")
    now = call.now_ms / 1000
    if throughput is not None:
        record["WarmThroughput"] = current(record)  # it never falls
        record["ProvisionedThroughput"] = _changed(
            record["ProvisionedThroughput"], throughput, "the table", now, switched=before != after
        )
    if after != before:
        record["BillingMode"] = after
        indexes = record.get("GlobalSecondaryIndexes", ())
        if after == "PAY_PER_REQUEST":
            record["OnDemandSince"] = now
            for one in (record, *indexes):
                one["ProvisionedThroughput"] = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
        else:
            for one in (record, *indexes):
                one.pop("OnDemandThroughput", None)
            given = {
                update["Update"]["IndexName"]
                for update in request.get("GlobalSecondaryIndexUpdates", ())
                if "ProvisionedThroughput" in update.get("Update", {})
            }
            missing = [one["IndexName"] for one in indexes if one["IndexName"] not in given]
            if missing:
                raise ValidationException(
                    f"{INVALID}ProvisionedThroughput must be specified for index: {','.join(missing)}"
                )


def _changed(before: Record, after: Record, what: str, now: float, *, switched: bool = False) -> Record:
    """The throughput after a change, with AWS' notes of when it went up or down."""
    read, write = (after[one] - before[one] for one in ("ReadCapacityUnits", "WriteCapacityUnits"))
    if not read and not write and not switched:
        kind = what.removeprefix("the ") if what.startswith("the index") else what
        raise ValidationException(
            f"The provisioned throughput for {what} will not change. The requested value equals the current value. "
            f"Current ReadCapacityUnits provisioned for {kind}: {before['ReadCapacityUnits']}. "
            f"Requested ReadCapacityUnits: {after['ReadCapacityUnits']}. "
            f"Current WriteCapacityUnits provisioned for {kind}: {before['WriteCapacityUnits']}. "
            f"Requested WriteCapacityUnits: {after['WriteCapacityUnits']}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )
    noted = {**before, **after}
    if read > 0 or write > 0:
        noted["LastIncreaseDateTime"] = now
    if read < 0 or write < 0:
        noted["LastDecreaseDateTime"] = now
        noted["NumberOfDecreasesToday"] = before.get("NumberOfDecreasesToday", 0) + 1
    return noted


def _limits(record: Record, asked: Record) -> None:
    """OnDemandThroughput and WarmThroughput, member by member; -1 takes a limit away."""
    for member in ("OnDemandThroughput", "WarmThroughput"):
        if asked.get(member):
            merged = {**record.get(member, {}), **asked[member]}
            record[member] = {name: value for name, value in merged.items() if value != -1}
            if not record[member]:
                del record[member]


# indexes


def _index(call: Call, table: Table, record: Record, update: Record) -> None:
    ((action, asked),) = update.items()
    name = asked["IndexName"]
    present = table.indexes.get(name)
    indexes = record.get("GlobalSecondaryIndexes", [])
    if action == "Create":
        if present is not None:
            raise ValidationException("Attempting to create an index which already exists")
        _create(call, record, asked)
        return
    if present is None:
        raise ResourceNotFoundException(f"Requested resource not found: Index {name} for table {table.name}")
    if present.local:
        raise ValidationException(f"Cannot {action.lower()} an index that is not a GlobalSecondaryIndex: {name}")
    if action == "Delete":
        left = [one for one in indexes if one["IndexName"] != name]
        record["GlobalSecondaryIndexes"] = left
        if not left:
            del record["GlobalSecondaryIndexes"]
        record["AttributeDefinitions"] = _used(record)
        tables.drop(call.view, present.id)
        return
    (own,) = (one for one in indexes if one["IndexName"] == name)
    pay_per_request = record["BillingMode"] == "PAY_PER_REQUEST"
    limits = asked.get("OnDemandThroughput") or asked.get("WarmThroughput")
    if pay_per_request and ("ProvisionedThroughput" in asked or not limits):
        raise ValidationException(
            f"{INVALID}The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can be to "
            "OnDemandThroughput, WarmThroughput"
        )
    if "ProvisionedThroughput" in asked:
        check_throughput(asked["ProvisionedThroughput"])
        own["WarmThroughput"] = current(own)  # it never falls
        own["ProvisionedThroughput"] = _changed(
            own["ProvisionedThroughput"],
            asked["ProvisionedThroughput"],
            f"the index {name}",
            call.now_ms / 1000,
            switched=table.raw["BillingMode"] == "PAY_PER_REQUEST",
        )
    check_on_demand(asked.get("OnDemandThroughput"), pay_per_request, name)
    check_change(asked.get("WarmThroughput"), own, f"index {name}")
    _limits(own, asked)


def _create(call: Call, record: Record, asked: Record) -> None:
    name = asked["IndexName"]
    given = call.request.get("AttributeDefinitions")
    known = {one["AttributeName"]: one["AttributeType"] for one in record["AttributeDefinitions"]}
    if given is None:
        raise ValidationException(f"{INVALID}AttributeDefinitions is not specified for index: {name}")
    for one in given:
        known.setdefault(one["AttributeName"], one["AttributeType"])  # what the table has defined before stays
    check_global_key_schema(asked["KeySchema"], names(given))  # what the table has defined before does not count
    check_projection(asked["Projection"])
    pay_per_request = record["BillingMode"] == "PAY_PER_REQUEST"
    throughput = asked.get("ProvisionedThroughput")
    if pay_per_request and throughput is not None:
        raise ValidationException(
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {name} when "
            "BillingMode is PAY_PER_REQUEST"
        )
    if not pay_per_request and throughput is None:
        raise ValidationException(
            f"{INVALID}Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: {name}"
        )
    if throughput is not None:
        check_throughput(throughput)
    check_on_demand(asked.get("OnDemandThroughput"), pay_per_request, name)
    check_new(asked.get("WarmThroughput"), throughput, f"index {name}")
    indexes = [
        *record.get("GlobalSecondaryIndexes", ()),
        {**asked, "Id": tables.fresh_id(call.view), "IndexStatus": "CREATING"},
    ]
    if len(indexes) > MAX_GLOBAL:
        raise LimitExceededException(
            f"Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of {MAX_GLOBAL}"
        )
    check_projected([*record.get("LocalSecondaryIndexes", ()), *indexes])
    record["GlobalSecondaryIndexes"] = indexes
    record["AttributeDefinitions"] = [
        {"AttributeName": attribute, "AttributeType": kind} for attribute, kind in known.items()
    ]
    record["AttributeDefinitions"] = _used(record)


def _used(record: Record) -> list[dict[str, str]]:
    """The attribute definitions that some key still needs."""
    keyed = [record, *record.get("LocalSecondaryIndexes", ()), *record.get("GlobalSecondaryIndexes", ())]
    used = {name for one in keyed for name in names(one["KeySchema"])}
    return [one for one in record["AttributeDefinitions"] if one["AttributeName"] in used]


# the rest


def _stream(call: Call, table: Table, record: Record) -> None:
    asked = call.request.get("StreamSpecification")
    if asked is None:
        return
    if asked["StreamEnabled"]:
        if table.stream_view:
            raise ValidationException(f"Table already has an enabled stream: TableName: {table.name}")
        record["Stream"] = streams.open_stream(call.view, table.name, asked["StreamViewType"], record["KeySchema"])
    else:
        if not table.stream_view:
            raise ValidationException(f"Table has no stream to disable: TableName: {table.name}")
        streams.close_stream(call.view, table)
        record["Stream"] = {**record["Stream"], "Enabled": False}


def _encryption(request: Record, record: Record) -> None:
    asked = request.get("SSESpecification")
    if asked is None:
        return
    if asked.get("Enabled"):
        record["SSE"] = asked
    elif record.pop("SSE", None) is None:
        raise ValidationException(f"{INVALID}Table is already encrypted by default")
