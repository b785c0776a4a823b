"""DescribeEndpoints."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import Shape


@operation("DescribeEndpoints", shape=Shape(), write=False)
def describe_endpoints(call: Call) -> dict[str, Any]:
    """Where to send requests: where this one was sent."""
    address = call.host or f"dynamodb.{call.region}.amazonaws.com"
    return {"Endpoints": [{"Address": address, "CachePeriodInMinutes": 1440}]}
