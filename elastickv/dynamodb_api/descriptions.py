"""What DescribeTable and its relatives say of a table."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from elastickv.dynamodb_api import warm_throughput
from elastickv.dynamodb_api.arns import index_arn, stream_arn, table_arn
from elastickv.dynamodb_api.registry import ACCOUNT, Call
from elastickv.dynamodb_api.tables import Index, Table, counts

_COPIED: Final = ("TableName", "KeySchema")


def describe(call: Call, table: Table, *, status: str = "", table_status: str = "") -> dict[str, Any]:
    """TableDescription. `status` is what the table and its indexes are said to be where that is not what is true for
    the next request (CREATING in the answer of CreateTable, DELETING in that of DeleteTable); `table_status` is the
    same for the table alone (UPDATING)."""
    record = table.raw
    region = call.region
    entries, size_bytes = counts(call.view, table.id)
    pay_per_request = record["BillingMode"] == "PAY_PER_REQUEST"
    described: dict[str, Any] = {member: record[member] for member in _COPIED}
    described |= {
        "AttributeDefinitions": sorted(record["AttributeDefinitions"], key=itemgetter("AttributeName")),
        "TableStatus": status or table_status or "ACTIVE",
        "CreationDateTime": record["CreationDateTime"],
        "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, **record["ProvisionedThroughput"]},
        "TableSizeBytes": size_bytes,
        "ItemCount": entries,
        "TableArn": table_arn(region, table.name),
        "TableId": record["TableId"],
        "DeletionProtectionEnabled": record["DeletionProtectionEnabled"],
        "WarmThroughput": {**warm_throughput.current(record), "Status": "ACTIVE"},
    }
    if pay_per_request or "OnDemandSince" in record:
        described["BillingModeSummary"] = {"BillingMode": record["BillingMode"]}
        if "OnDemandSince" in record:
            described["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] = record["OnDemandSince"]
        described["TableThroughputModeSummary"] = {
            "TableThroughputMode": record["BillingMode"],
            **{member: value for member, value in described["BillingModeSummary"].items() if member != "BillingMode"},
        }
    if "OnDemandThroughput" in record:
        described["OnDemandThroughput"] = record["OnDemandThroughput"]
    if "TableClass" in record:
        described["TableClassSummary"] = {"TableClass": record["TableClass"]}
    if "SSE" in record:
        described["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": key_arn(region, record["SSE"]),
        }
    stream = record.get("Stream")
    if stream is not None:
        if stream["Enabled"]:
            described["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream["StreamViewType"]}
        described["LatestStreamLabel"] = stream["Label"]
        described["LatestStreamArn"] = stream_arn(region, table.name, stream["Label"])
    for member, local in (("LocalSecondaryIndexes", True), ("GlobalSecondaryIndexes", False)):
        indexes = [
            describe_index(call, table, one, status=status) for one in table.indexes.values() if one.local is local
        ]
        if indexes:
            described[member] = indexes
    return described


def key_arn(region: str, sse: dict[str, Any]) -> str:
    """Of the key that an SSESpecification asks for."""
    key = str(sse.get("KMSMasterKeyId", "alias/aws/dynamodb"))
    if key.startswith("arn:"):
        return key
    return f"arn:aws:kms:{region}:{ACCOUNT}:{key if key.startswith('alias/') else 'key/' + key}"


def _projection(record: dict[str, Any]) -> dict[str, Any]:
    if "NonKeyAttributes" not in record:
        return record
    return {**record, "NonKeyAttributes": sorted(record["NonKeyAttributes"])}


def describe_index(call: Call, table: Table, index: Index, *, status: str = "") -> dict[str, Any]:
    """`status` as in `describe`."""
    entries, size_bytes = counts(call.view, index.id)
    described: dict[str, Any] = {
        "IndexName": index.name,
        "KeySchema": index.raw["KeySchema"],
        "Projection": _projection(index.raw["Projection"]),
        "IndexSizeBytes": size_bytes,
        "ItemCount": entries,
        "IndexArn": index_arn(call.region, table.name, index.name),
    }
    if index.local:
        return described
    described["IndexStatus"] = status or index.status
    if index.status != "ACTIVE" and not status:
        described["Backfilling"] = True
    described["ProvisionedThroughput"] = {
        "NumberOfDecreasesToday": 0,
        **index.raw.get("ProvisionedThroughput", {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}),
    }
    if "OnDemandThroughput" in index.raw:
        described["OnDemandThroughput"] = index.raw["OnDemandThroughput"]
    if status != "CREATING":  # the answer of CreateTable, in which AWS leaves it out
        described["WarmThroughput"] = {**warm_throughput.current(index.raw), "Status": "ACTIVE"}
    return described
