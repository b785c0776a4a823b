from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.redis_reference import AVAILABLE, RedisReference, running_redis_server


@pytest.fixture(scope="session")
def redis_reference() -> Iterator[RedisReference]:
    """A real redis-server to compare with; such tests are skipped where none is installed."""
    if not AVAILABLE:
        pytest.skip("redis-server is not installed")
    with running_redis_server() as reference:
        yield reference
