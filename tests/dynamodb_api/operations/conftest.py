from __future__ import annotations

import pytest

from tests.kit.dynamo_store import DynamoStore


@pytest.fixture
def store() -> DynamoStore:
    """Tables `one` (pk), `two` (pk, sk: numbers), and `full` with indexes of all kinds."""
    store = DynamoStore()
    store.table("one", "pk:S")
    store.table("two", "pk:S sk:N")
    store.table(
        "full",
        "pk:S sk:S",
        local=[("by_when", "pk:S when:N", "ALL"), ("slim", "pk:S rank:N", "KEYS_ONLY")],
        indexes=[("by_owner", "owner:S when:N", ["title"]), ("by_tag", "tag:S", "ALL")],
    )
    return store
