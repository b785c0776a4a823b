from __future__ import annotations

import asyncio
import re

import pytest

from elastickv.clock import ManualClock
from elastickv.errors import Fault, KvError
from elastickv.grpc_api.futures import Futures, UnknownToken, new_token


async def returns(value: int = 5) -> int:
    return value


async def fails() -> int:
    raise KvError(Fault.CONFLICT, "stale")


async def never() -> int:
    await asyncio.Event().wait()
    return 0


def test_tokens_are_forty_hexadecimal_characters_and_differ() -> None:
    assert re.fullmatch("[0-9a-f]{40}", new_token())
    assert new_token() != new_token()


async def test_a_result_can_be_awaited_often_and_at_once() -> None:
    futures = Futures(ManualClock())
    go = asyncio.Event()

    async def operation() -> int:
        await go.wait()
        return 5

    token = futures.start(operation)
    waiters = [asyncio.create_task(futures.wait(token)) for _ in range(3)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*waiters) == [5, 5, 5]
    assert await futures.wait(token) == 5


async def test_an_operation_without_an_index_has_index_0() -> None:
    async def operation() -> None:
        return None

    futures = Futures(ManualClock())
    assert await futures.wait(futures.start(operation)) == 0


async def test_a_failure_is_the_result() -> None:
    futures = Futures(ManualClock())
    token = futures.start(fails)
    for _ in range(2):
        with pytest.raises(KvError, match="stale"):
            await futures.wait(token)


async def test_a_defect_is_hidden_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def operation() -> int:
        raise ZeroDivisionError("secret")

    futures = Futures(ManualClock())
    with pytest.raises(KvError) as caught:
        await futures.wait(futures.start(operation))
    assert caught.value.fault is Fault.INTERNAL
    assert "secret" not in caught.value.message
    assert "secret" in caplog.text


async def test_a_waiter_that_goes_away_does_not_stop_the_operation() -> None:
    futures = Futures(ManualClock())
    go = asyncio.Event()

    async def operation() -> int:
        await go.wait()
        return 6

    token = futures.start(operation)
    waiter = asyncio.create_task(futures.wait(token))
    runner = asyncio.create_task(futures.run(operation))
    await asyncio.sleep(0.01)
    waiter.cancel()
    runner.cancel()
    await asyncio.gather(waiter, runner, return_exceptions=True)
    go.set()
    assert await futures.wait(token) == 6


async def test_forgotten_is_unknown_and_forgetting_the_unknown_is_fine() -> None:
    futures = Futures(ManualClock())
    token = futures.start(returns)
    futures.forget(token)
    futures.forget(token)
    futures.forget("?")
    with pytest.raises(UnknownToken):
        await futures.wait(token)


async def test_results_expire_and_running_operations_do_not() -> None:
    clock = ManualClock()
    futures = Futures(clock, max_age_seconds=60)
    done, running = futures.start(returns), futures.start(never)
    await futures.wait(done)
    clock.advance(59)
    assert await futures.wait(done) == 5
    clock.advance(2)
    with pytest.raises(UnknownToken):
        await futures.wait(done)
    assert len(futures) == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(futures.wait(running), 0.01)
    await futures.close()


async def test_a_full_table_drops_the_oldest_result() -> None:
    futures = Futures(ManualClock(), max_count=2)
    first, second = futures.start(never), futures.start(returns)
    await futures.wait(second)
    futures.start(never)
    with pytest.raises(UnknownToken):
        await futures.wait(second)
    with pytest.raises(KvError) as caught:
        futures.start(returns)
    assert caught.value.fault is Fault.OVERLOAD
    futures.forget(first)
    futures.start(returns)
    await futures.close()


async def test_closing_ends_what_runs_and_tells_the_waiters() -> None:
    futures = Futures(ManualClock())
    waiter = asyncio.create_task(futures.wait(futures.start(never)))
    await asyncio.sleep(0.01)
    await futures.close()
    with pytest.raises(KvError) as caught:
        await waiter
    assert caught.value.fault is Fault.SHUTTING_DOWN
    with pytest.raises(KvError):
        futures.start(returns)


async def test_collected_waits_for_forget_but_not_for_ever() -> None:
    futures = Futures(ManualClock())
    token = futures.start(returns)
    collected = asyncio.create_task(futures.collected(token, 60))
    await asyncio.sleep(0)
    futures.forget(token)
    await asyncio.wait_for(collected, 1)
    await futures.collected(futures.start(returns), 0.01)
    await futures.collected("?", 60)
