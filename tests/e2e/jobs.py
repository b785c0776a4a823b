"""What the workers of test_job_queues run: a Celery application and a function for RQ. Each job says that it ran."""

from __future__ import annotations

import os
import time

import celery  # type: ignore[import-untyped]  # has no types
import redis

BROKER = os.environ.get("ELASTICKV_E2E_BROKER", "redis://127.0.0.1:6379/0")

app = celery.Celery("jobs", broker=BROKER, backend=BROKER)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # What a worker had taken when it ended comes again after so many seconds.
    broker_transport_options={"socket_timeout": 20, "visibility_timeout": 10},
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    redis_socket_timeout=20,
)


def count(number: int) -> int:
    """Says that job `number` ran; the element may come twice when an answer was lost."""
    for attempt in range(60):
        try:
            with redis.Redis.from_url(BROKER, socket_timeout=10) as client:
                client.rpush("ran", number)
            return number * 2
        except redis.RedisError:
            time.sleep(0.2 * (attempt + 1))
    raise RuntimeError("no node answers")


@app.task(name="jobs.double")  # type: ignore[untyped-decorator]  # celery has no types
def double(number: int) -> int:
    return count(number)
