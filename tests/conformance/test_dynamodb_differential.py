"""The same calls to our DynamoDB door and to moto's server (`dynamodb_calls`): the answers are equal, or the
difference is explained by what AWS documents or answers.

With ELASTICKV_DYNALITE=http://127.0.0.1:… in the environment a running dynalite is asked as well, and its differences
are printed; it is not in our lock, so nothing is asserted about it.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.conformance.dynamodb_calls import CALLS, EXPLAINED, TABLES
from tests.kit.dynamo_door import running_door

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


def as_asked(request: dict[str, Any], answer: Answer) -> Answer:
    """moto's answer without what nobody asked for, and without the envelope that AWS puts around some messages in some
    regions."""
    for member, parameter in (
        ("ConsumedCapacity", "ReturnConsumedCapacity"),
        ("ItemCollectionMetrics", "ReturnItemCollectionMetrics"),
    ):
        if parameter not in request:
            answer.pop(member, None)
    if "message" in answer:
        answer["message"] = answer["message"].removeprefix("1 validation error detected: ")
    return answer


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with running_door() as door:
        for table in TABLES:
            ask(door.url, "CreateTable", table)
        yield door.url


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}/"
    for table in TABLES:
        ask(url, "CreateTable", table)
    yield url
    server.stop()


def test_answers_are_those_of_moto_or_explained(ours: str, moto: str) -> None:
    unexplained = []
    different = set()
    for label, operation, request in CALLS:
        answer, other = ask(ours, operation, request), as_asked(request, ask(moto, operation, request))
        if answer != other:
            different.add(label)
            if label not in EXPLAINED:
                unexplained.append(f"{label}\n  ours: {answer}\n  moto: {other}")
    assert not unexplained, "\n".join(unexplained)
    assert different == set(EXPLAINED)


@pytest.mark.skipif("ELASTICKV_DYNALITE" not in os.environ, reason="needs a running dynalite")
def test_answers_of_dynalite(ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = os.environ["ELASTICKV_DYNALITE"]
    for table in TABLES:
        ask(url, "CreateTable", table)
    for label, operation, request in CALLS:
        answer, other = ask(ours, operation, request), ask(url, operation, request)
        if answer != other:
            with capsys.disabled():
                sys.stdout.write(f"{label}\n  ours:     {answer}\n  dynalite: {other}\n")
