"""UpdateTable. Everything takes effect at once; only a new index of a large table is filled in the background, while
the table is ACTIVE and takes other changes, as at AWS."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import streams, tables
from elastickv.dynamodb_api.backfill import fill_some
from elastickv.dynamodb_api.descriptions import describe, key_arn
from elastickv.dynamodb_api.errors import (
    LimitExceededException,
    ValidationException,
)
from elastickv.dynamodb_api.index_updates import (
    ONE_AT_A_TIME,
    change_index,
    check_filling,
    leaving_of,
    show_leaving,
)
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.schemas import (
    BILLING_MODE,
    CREATE_INDEX,
    DEFINITIONS,
    INVALID,
    ON_DEMAND,
    SSE,
    STREAM,
    TABLE_CLASS,
    THROUGHPUT,
    WARM,
    check_on_demand,
    check_sse,
    check_table_class,
    check_throughput,
)
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, NAME, Boolean, ListOf, Shape, Struct, required
from elastickv.dynamodb_api.tables import Table
from elastickv.dynamodb_api.throughput_changes import Record, changed_throughput, merge_limits
from elastickv.dynamodb_api.unoffered import OF_UPDATE_TABLE, check_unoffered
from elastickv.dynamodb_api.update_concerns import check_concerns
from elastickv.dynamodb_api.warm_throughput import check_change, current

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
_SIMPLE: Final = ("TableClass", "DeletionProtectionEnabled")


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
    check_filling(table, request)
    leaving = leaving_of(call, table)
    record: Record = dict(table.raw)
    if "GlobalSecondaryIndexes" in record:
        record["GlobalSecondaryIndexes"] = [dict(one) for one in record["GlobalSecondaryIndexes"]]
    _billing(call, table, record)
    for update in request.get("GlobalSecondaryIndexUpdates", ()):
        change_index(call, table, record, update)
    _stream(call, table, record)
    _encryption(call, record)
    check_change(request.get("WarmThroughput"), record, "table")
    merge_limits(record, request)
    for member in _SIMPLE:
        if member in request:
            record[member] = request[member]
    changed = tables.save(call.view, record)
    described = describe(call, changed, table_status="UPDATING")
    for one in described.get("GlobalSecondaryIndexes", ()):
        if one["IndexName"] not in table.indexes:
            one["Backfilling"] = False  # AWS allocates resources first
    show_leaving(described, leaving)
    for index in changed.indexes.values():
        if index.name not in table.indexes:
            # A small table's is ACTIVE with the next request; waiters look every 20 seconds.
            fill_some(call.view, changed, index, b"")
    return {"TableDescription": described}


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
        raise LimitExceededException(ONE_AT_A_TIME)


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
        record["ProvisionedThroughput"] = changed_throughput(
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


def _encryption(call: Call, record: Record) -> None:
    asked = call.request.get("SSESpecification")
    if asked is None:
        return
    if asked.get("Enabled"):
        if "SSE" in record and asked.get("KMSMasterKeyId") == key_arn(call.region, record["SSE"]):
            raise ValidationException(
                f"{INVALID}Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you "
                "want to change Master Key"
            )
        record["SSE"] = asked
    elif record.pop("SSE", None) is None:
        raise ValidationException(f"{INVALID}Table is already encrypted by default")
