from __future__ import annotations

import pytest

from elastickv.redis_api.values.records import RecordType
from tests.kit.redis_calls import RedisCalls


@pytest.fixture
def redis() -> RedisCalls:
    """An empty server; the key `alist` holds another type than string."""
    calls = RedisCalls()
    calls.call.db.store(b"alist", RecordType.LIST, b"\0")
    return calls
