"""The same calls to our DynamoDB door, to moto's server and to dynalite (`dynamodb_calls`): the answers are equal, or
the difference is explained by what AWS documents or answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.conformance.dynamodb_calls import CALLS, EXPLAINED, EXPLAINED_OF_DYNALITE, TABLES
from tests.kit.dynalite_server import running_dynalite
from tests.kit.dynamo_ask import Answer, ask
from tests.kit.dynamo_door import running_door


def as_asked(request: dict[str, Any], answer: Answer) -> Answer:
    """moto's answer without what nobody asked for, and without the envelope that AWS puts around some messages in some
    regions."""
    for member, parameter in (
        ("ConsumedCapacity", "ReturnConsumedCapacity"),
        ("ItemCollectionMetrics", "ReturnItemCollectionMetrics"),
    ):
        if parameter not in request:
            answer.pop(member, None)
    return without_envelope(answer)


def without_envelope(answer: Answer) -> Answer:
    """AWS has put it around more and more messages; moto has some of them, dynalite none."""
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
def ours_too() -> Iterator[str]:
    """With tables of its own: the calls build on each other."""
    with running_door() as door:
        for table in TABLES:
            ask(door.url, "CreateTable", table)
        yield door.url


@pytest.fixture(scope="module")
def dynalite() -> Iterator[str]:
    with running_dynalite() as url:
        for table in TABLES:
            ask(url, "CreateTable", table)
        yield url


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


def test_answers_are_those_of_dynalite_or_explained(ours_too: str, dynalite: str) -> None:
    unexplained = []
    different = set()
    for label, operation, request in CALLS:
        answer, other = without_envelope(ask(ours_too, operation, request)), ask(dynalite, operation, request)
        if answer != other:
            different.add(label)
            if label not in EXPLAINED_OF_DYNALITE:
                unexplained.append(f"{label}\n  ours:     {answer}\n  dynalite: {other}")
    assert not unexplained, "\n".join(unexplained)
    assert different == set(EXPLAINED_OF_DYNALITE)
