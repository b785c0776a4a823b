"""Throughput and limits of a table or index that change."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.errors import ValidationException

Record = dict[str, Any]


def changed_throughput(before: Record, after: Record, what: str, now: float, *, switched: bool = False) -> Record:
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


def merge_limits(record: Record, asked: Record) -> None:
    """OnDemandThroughput and WarmThroughput, member by member; -1 takes a limit away."""
    for member in ("OnDemandThroughput", "WarmThroughput"):
        if asked.get(member):
            merged = {**record.get(member, {}), **asked[member]}
            record[member] = {name: value for name, value in merged.items() if value != -1}
            if not record[member]:
                del record[member]
