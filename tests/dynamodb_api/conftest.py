from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.dynamo_door import DynamoDoor, running_door


@pytest.fixture
def door() -> Iterator[DynamoDoor]:
    """A DynamoDB door over an empty store."""
    with running_door() as one:
        yield one


@pytest.fixture
def dynamodb(door: DynamoDoor) -> Iterator[Any]:
    """A boto3 client of it."""
    client = door.client()
    yield client
    client.close()
