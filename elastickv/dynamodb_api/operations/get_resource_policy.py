"""GetResourcePolicy."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.arns import tagged_table
from elastickv.dynamodb_api.errors import PolicyNotFoundException
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import Shape, String, required


@operation(
    "GetResourcePolicy",
    shape=Shape(ResourceArn=required(String(min=1, max=1283))),
    write=False,
    notes=("no table has one, and none can be put",),
)
def get_resource_policy(call: Call) -> dict[str, Any]:
    """The policy attached to a table."""
    tagged_table(call, "GetResourcePolicy")
    raise PolicyNotFoundException(
        f"Resource-based policy not found for the provided ResourceArn: {call.request['ResourceArn']}"
    )
