"""Amazon resource names. There is one account, and every region names the same tables."""

from __future__ import annotations

import re
from typing import Any, Final

from elastickv.dynamodb_api.attributes import INVALID
from elastickv.dynamodb_api.errors import AccessDeniedException, ResourceNotFoundException, ValidationException
from elastickv.dynamodb_api.registry import ACCOUNT, Call
from elastickv.dynamodb_api.tables import Table, find

_TABLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:dynamodb:[^:]+:(\d+):table/([a-zA-Z0-9_.-]{3,255})")
_PART_ARN: Final = re.compile(r"arn:aws[a-z-]*:dynamodb:[^:]+:\d+:table/[^/]+/(index|backup)/.*")


def table_arn(region: str, name: str) -> str:
    return f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}"


def index_arn(region: str, name: str, index: str) -> str:
    return f"{table_arn(region, name)}/index/{index}"


def stream_arn(region: str, name: str, label: str) -> str:
    return f"{table_arn(region, name)}/stream/{label}"


def tagged_table(call: Call, operation: str) -> Table:
    """The table that ResourceArn names."""
    arn: Any = call.request.get("ResourceArn")
    if arn is None:
        raise ValidationException("Invalid TableArn")
    if not arn.startswith("arn:"):
        raise ValidationException(f"{INVALID}ARNs must start with 'arn:': {arn}")
    part = _PART_ARN.fullmatch(arn)
    if part is not None:
        raise ValidationException(
            f"{INVALID}Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}"
            if part[1] == "index"
            else f"{INVALID}Provided Arn is not a DynamoDB resource arn: {arn}"
        )
    parts = _TABLE_ARN.fullmatch(arn)
    if parts is None:
        raise ValidationException(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    if parts[1] != ACCOUNT:
        raise AccessDeniedException(
            f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: dynamodb:{operation} on resource: {arn}"
        )
    found = find(call.view, parts[2])
    if found is None:
        raise ResourceNotFoundException(f"Requested resource not found: ResourcArn: {arn} not found")
    return found
