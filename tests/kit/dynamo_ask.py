"""Calls to any server of DynamoDB's protocol, without an SDK that would look at them first."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

Answer = dict[str, Any]


def ask(url: str, operation: str, request: dict[str, Any]) -> Answer:
    """The answer; of an error its type, message and reasons."""
    headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20240101/us-east-1/dynamodb/aws4_request, "
        "SignedHeaders=host, Signature=b",
        "X-Amz-Date": "20240101T000000Z",
    }
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data=json.dumps(request).encode(), headers=headers), timeout=20
        ) as response:
            found: Answer = normal(json.load(response))
            return found
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= 500:
                return {"error": f"HTTP {error.code}"}
            body = json.load(error)
        refused = {
            "error": body["__type"].rpartition("#")[2],
            "message": body.get("message", body.get("Message", "")),
        }
        if "CancellationReasons" in body:
            refused["reasons"] = body["CancellationReasons"]
        return refused


def normal(value: Any) -> Any:
    """Sets have no order."""
    if isinstance(value, dict):
        return {name: sorted(one) if name in ("SS", "NS", "BS") else normal(one) for name, one in value.items()}
    return [normal(one) for one in value] if isinstance(value, list) else value
