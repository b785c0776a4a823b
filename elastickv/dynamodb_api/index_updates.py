"""What UpdateTable does to global indexes: GlobalSecondaryIndexUpdates, one by one."""

from __future__ import annotations

from typing import Final

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.descriptions import describe_index
from elastickv.dynamodb_api.errors import (
    LimitExceededException,
    ResourceInUseException,
    ResourceNotFoundException,
    ValidationException,
)
from elastickv.dynamodb_api.registry import Call
from elastickv.dynamodb_api.schemas import (
    INVALID,
    MAX_GLOBAL,
    check_global_key_schema,
    check_on_demand,
    check_projected,
    check_projection,
    check_throughput,
    names,
)
from elastickv.dynamodb_api.tables import Table
from elastickv.dynamodb_api.throughput_changes import Record, changed_throughput, merge_limits
from elastickv.dynamodb_api.warm_throughput import check_change, check_new, current

ONE_AT_A_TIME: Final = (
    "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
)


def check_filling(table: Table, request: Record) -> None:
    """While an index is being filled, no other one comes or goes; the index itself may be deleted again."""
    filling = [one.name for one in table.indexes.values() if one.status != "ACTIVE"]
    if not filling:
        return
    for update in request.get("GlobalSecondaryIndexUpdates", ()):
        ((action, index),) = update.items()
        if action == "Update":
            if index["IndexName"] in filling:
                raise ResourceInUseException(
                    "Attempt to change a resource which is still in use: Index is being created. "
                    f"Table: {table.name} Index: {index['IndexName']}"
                )
        elif action == "Create" or index["IndexName"] not in filling:
            raise LimitExceededException(ONE_AT_A_TIME)


def leaving_of(call: Call, table: Table) -> list[tuple[int, Record]]:
    """Indexes that the request deletes: (place among the global ones, description)."""
    gone = [
        one["Delete"]["IndexName"] for one in call.request.get("GlobalSecondaryIndexUpdates", ()) if "Delete" in one
    ]
    spread = [one for one in table.indexes.values() if not one.local]
    return [
        (place, describe_index(call, table, one, status="DELETING"))
        for place, one in enumerate(spread)
        if one.name in gone
    ]


def show_leaving(described: Record, leaving: list[tuple[int, Record]]) -> None:
    """The answer still has the indexes that it says go, as AWS' has."""
    for place, index in leaving:
        described.setdefault("GlobalSecondaryIndexes", []).insert(place, index)


def change_index(call: Call, table: Table, record: Record, update: Record) -> None:
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
        own["ProvisionedThroughput"] = changed_throughput(
            own["ProvisionedThroughput"],
            asked["ProvisionedThroughput"],
            f"the index {name}",
            call.now_ms / 1000,
            switched=table.raw["BillingMode"] == "PAY_PER_REQUEST",
        )
    check_on_demand(asked.get("OnDemandThroughput"), pay_per_request, name)
    check_change(asked.get("WarmThroughput"), own, f"index {name}")
    merge_limits(own, asked)


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
