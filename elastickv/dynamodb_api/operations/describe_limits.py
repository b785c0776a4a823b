"""DescribeLimits."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import Shape


@operation(
    "DescribeLimits", shape=Shape(), write=False, notes=("AWS' default quotas; throughput is not limited by them here",)
)
def describe_limits(call: Call) -> dict[str, Any]:
    """The capacity that one may ask for in CreateTable and UpdateTable."""
    return {
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    }
