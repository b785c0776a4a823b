"""What the disk costs: commits of the log, reads and flushes of the state, growth of the files.

    .venv/bin/python tests/bench/bench_storage.py [directory]

Prints numbers and asserts nothing. The directory should lie on the disk that a node would use.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
import threading
import time
import timeit
from pathlib import Path

from elastickv.raft.types import Entry, HardState
from elastickv.storage.engine import Applied, WriteBatch
from elastickv.storage.lmdb_engine import LmdbEngine
from elastickv.storage.lmdb_log import LmdbLog
from elastickv.storage.log_writer import LogWriter
from elastickv.storage.snapshot_file import SnapshotStore, install


def log_commits(directory: Path, batch: int, size: int, seconds: float = 2.0) -> None:
    log = LmdbLog(directory)
    data = b"x" * size
    commits = 0
    index = 0
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        entries = [Entry(1, index + 1 + i, data) for i in range(batch)]
        index += batch
        log.persist(HardState(1, "n1", index - batch), entries)
        commits += 1
    rate = commits / (time.perf_counter() - begin)
    print(f"log: {batch:4d} entries of {size:6d} B: {rate:8.0f} commits/s {rate * batch:10.0f} entries/s", end="")
    began = time.perf_counter()
    log.compact(index)
    print(f"   cut of {index} entries {time.perf_counter() - began:.2f} s, file {log.size_bytes() >> 20} MiB")
    log.close()


def log_steady(directory: Path, size: int = 64 << 10, rounds: int = 6000, keep: int = 1000) -> None:
    """A log that is cut all the time: the file must not grow, and commits must not slow down."""
    log = LmdbLog(directory)
    data = b"x" * size
    slices = []
    began = time.perf_counter()
    for index in range(1, rounds + 1):
        log.persist(HardState(1, "n1", index - 1), [Entry(1, index, data)])
        if index % 200 == 0 and index > keep:
            log.compact(index - keep)
        if index % (rounds // 3) == 0:
            slices.append(f"{rounds / 3 / (time.perf_counter() - began):.0f}/s")
            began = time.perf_counter()
    print(
        f"log: {rounds} commits of {size >> 10} KiB, {keep} kept: {' '.join(slices)}, file {log.size_bytes() >> 20} MiB"
    )
    log.close()


def log_reads(directory: Path) -> None:
    log = LmdbLog(directory, cache_bytes=1 << 20)
    for first in range(1, 100_001, 1000):
        log.persist(None, [Entry(1, first + i, b"x" * 100) for i in range(1000)])
    for name, statement in {
        "term, recent": lambda: log.term(99_999),
        "term, old": lambda: log.term(10),
        "last_index": log.last_index,
        "100 entries, recent": lambda: log.entries(99_800, 99_900, 1 << 20),
        "100 entries, old": lambda: log.entries(1000, 1100, 1 << 20),
    }.items():
        print(f"log: {name:20s} {timeit.timeit(statement, number=3000) / 3000 * 1e6:8.2f} µs")
    log.close()
    began = time.perf_counter()
    LmdbLog(directory).close()
    print(f"log: open with 100 000 entries {(time.perf_counter() - began) * 1e3:.1f} ms")


def writer_pipeline(directory: Path, readies: int = 20_000) -> None:
    """Readies of one entry as fast as the loop can hand them over."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        log = LmdbLog(directory)
        done = asyncio.Event()
        calls = 0

        def on_persisted(number: int) -> None:
            nonlocal calls
            calls += 1
            if number == readies:
                done.set()

        writer = LogWriter(log, loop, on_persisted=on_persisted, on_error=print, on_recovered=print)
        began = time.perf_counter()
        for number in range(1, readies + 1):
            writer.append(number, HardState(1, "n1", number - 1), (Entry(1, number, b"x" * 100),))
            if number % 100 == 0:
                await asyncio.sleep(0)
        await done.wait()
        seconds = time.perf_counter() - began
        print(f"log writer: {readies / seconds:.0f} readies/s in {calls} commits")
        writer.stop()
        log.close()

    asyncio.run(run())


def engine(directory: Path, keys: int = 200_000) -> None:
    state = LmdbEngine(directory)
    names = [b"key:%012d" % i for i in range(keys)]
    random.Random(1).shuffle(names)
    began = time.perf_counter()
    for at in range(0, keys, 10_000):
        state.write(WriteBatch(Applied(at + 1, 1), dict.fromkeys(names[at : at + 10_000], b"x" * 64)))
    rate = keys / (time.perf_counter() - began)
    print(f"engine: load in random order, 10 000 puts a batch: {rate:.0f} puts/s, file {state.size_bytes() >> 20} MiB")
    state.refresh()
    sample = names[:1000]
    get = state.get

    def gets() -> None:
        for key in sample:
            get(key)

    print(f"engine: get {timeit.timeit(gets, number=50) / 50_000 * 1e6:.2f} µs")
    print(f"engine: refresh {timeit.timeit(state.refresh, number=10_000) / 10_000 * 1e6:.2f} µs")
    began = time.perf_counter()
    count = sum(1 for _ in state.scan(b"", b""))
    print(f"engine: scan {(time.perf_counter() - began) / count * 1e6:.2f} µs a pair, reverse ", end="")
    began = time.perf_counter()
    count = sum(1 for _ in state.scan(b"", b"", reverse=True))
    print(f"{(time.perf_counter() - began) / count * 1e6:.2f} µs")

    # How long the loop's thread goes without the interpreter while a batch is written.
    batch = WriteBatch(Applied(10**6, 1), dict.fromkeys(names[:50_000], b"y" * 64))
    thread = threading.Thread(target=state.write, args=(batch,))
    worst = 0.0
    thread.start()
    began = previous = time.perf_counter()
    while thread.is_alive():
        time.sleep(0)
        now = time.perf_counter()
        worst = max(worst, now - previous)
        previous = now
    print(
        f"engine: batch of 50 000 in {previous - began:.2f} s; longest pause of the other thread {worst * 1e3:.1f} ms"
    )
    thread.join()
    began = time.perf_counter()
    state.write(WriteBatch(Applied(10**6 + 1, 1), ranges=[(b"key:000000010000", b"key:000000110000")]))
    print(f"engine: range delete of 100 000 keys {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    store = SnapshotStore(directory.with_name("snapshots"))
    snapshot = store.create(state)
    print(f"snapshot: create {snapshot.size_bytes >> 20} MiB in {time.perf_counter() - began:.2f} s", end="")
    state.close()
    began = time.perf_counter()
    install(snapshot.directory, directory)
    print(f", install {time.perf_counter() - began:.2f} s")


def main() -> None:
    base = Path(tempfile.mkdtemp(prefix="bench-storage-", dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        log_commits(base / "log1", 1, 100)
        log_commits(base / "log500", 500, 100)
        log_commits(base / "log1b", 1, 64 << 10)
        log_steady(base / "steady")
        log_reads(base / "reads")
        writer_pipeline(base / "pipeline")
        engine(base / "engine")
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
