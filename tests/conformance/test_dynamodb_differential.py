"""The same calls to our DynamoDB door, to moto's server and to dynalite (`dynamodb_calls`): the answers are equal, or
the difference is explained by what AWS documents or answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.conformance.dynamodb_calls import (
    CALLS,
    COMPOSITE_CALLS,
    COMPOSITE_TABLE,
    EXPLAINED,
    EXPLAINED_OF_COMPOSITE,
    EXPLAINED_OF_DYNALITE,
    TABLES,
    Call,
)
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


def make_tables(url: str) -> str:
    for table in TABLES:
        ask(url, "CreateTable", table)
    return url


@pytest.fixture
def ours() -> Iterator[str]:
    """With tables of its own for each test: the calls build on each other."""
    with running_door() as door:
        yield make_tables(door.url)


@pytest.fixture
def dynalite() -> Iterator[str]:
    with running_dynalite() as url:
        yield make_tables(url)


@pytest.fixture
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield make_tables(f"http://{host}:{port}/")
    server.stop()


Pair = tuple[Answer, Answer]


def compare(
    name: str,
    explained: dict[str, str],
    pair: Callable[[str, dict[str, Any]], Pair],
    calls: Sequence[Call] = CALLS,
) -> None:
    """Every difference has an explanation, and every explanation a difference."""
    unexplained = []
    different = set()
    for label, operation, request in calls:
        answer, other = pair(operation, request)
        if answer != other:
            different.add(label)
            if label not in explained:
                unexplained.append(f"{label}\n  ours: {answer}\n  {name}: {other}")
    assert not unexplained, "\n".join(unexplained)
    assert different == set(explained)


def test_answers_are_those_of_moto_or_explained(ours: str, moto: str) -> None:
    def pair(operation: str, request: dict[str, Any]) -> Pair:
        return ask(ours, operation, request), as_asked(request, ask(moto, operation, request))

    compare("moto", EXPLAINED, pair)


def test_keys_of_several_attributes_are_those_of_moto_or_explained(ours: str, moto: str) -> None:
    def pair(operation: str, request: dict[str, Any]) -> Pair:
        return ask(ours, operation, request), as_asked(request, ask(moto, operation, request))

    for url in (ours, moto):
        ask(url, "CreateTable", COMPOSITE_TABLE)
    compare("moto", EXPLAINED_OF_COMPOSITE, pair, COMPOSITE_CALLS)


def test_answers_are_those_of_dynalite_or_explained(ours: str, dynalite: str) -> None:
    def pair(operation: str, request: dict[str, Any]) -> Pair:
        return without_envelope(ask(ours, operation, request)), ask(dynalite, operation, request)

    compare("dynalite", EXPLAINED_OF_DYNALITE, pair)
