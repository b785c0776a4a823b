"""WarmThroughput: what a table or index can take at once. Nothing here has to be warmed, so it is what was asked for or
AWS' initial values; it is refused as at AWS where it is too low."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.schemas import INVALID

INITIAL: Final = {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_000}
"""Of a table or index that is paid per request."""
_UNITS: Final = {"ReadUnitsPerSecond": "ReadCapacityUnits", "WriteUnitsPerSecond": "WriteCapacityUnits"}
_SEE: Final = (
    "See: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"
    "#on-demand-capacity-mode-initial"
)


def current(record: Mapping[str, Any]) -> dict[str, int]:
    """`record` of a table or index."""
    provisioned = record.get("ProvisionedThroughput", {})
    asked = record.get("WarmThroughput", {})
    return {
        member: max(asked.get(member, 0), provisioned.get(units) or INITIAL[member]) for member, units in _UNITS.items()
    }


def check_new(asked: Mapping[str, int] | None, provisioned: Mapping[str, int] | None, what: str) -> None:
    """Of a table or index that is being made. `what`: "table" or "index …"; `provisioned` None: paid per request."""
    for member, value in (asked or {}).items():
        if provisioned is None:
            if value < INITIAL[member]:
                raise _too_low(member, what, f"initial throughput for OnDemand. {_SEE}")
        elif value < provisioned[_UNITS[member]]:
            raise _too_low(member, what, f"{_UNITS[member]} of ProvisionedThroughput")


def check_change(asked: Mapping[str, int] | None, record: Mapping[str, Any], what: str) -> None:
    """It only ever rises."""
    before = current(record)
    for member, value in (asked or {}).items():
        if value < before[member]:
            raise _too_low(member, what, "current WarmThroughput, decreasing WarmThroughput is not supported")


def _too_low(member: str, what: str, floor: str) -> ValidationException:
    return ValidationException(f"{INVALID}Requested {member} for WarmThroughput for {what} is lower than {floor}")
