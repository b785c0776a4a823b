"""kill -9 at random moments: what was reported durable is there, and nothing is half there."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from elastickv.storage.lmdb_engine import LmdbEngine
from elastickv.storage.lmdb_log import LmdbLog

LOG_PROGRAM = """
import random, sys
from pathlib import Path
from elastickv.raft.types import Entry, HardState
from elastickv.storage.lmdb_log import LmdbLog
log = LmdbLog(Path(sys.argv[1]))
chance = random.Random(int(sys.argv[2]))
term = log.initial_state()[0].term
print("open", flush=True)
while True:
    term += 1
    first = max(log.last_index() + 1 - chance.randrange(4), log.first_index())
    count = chance.randrange(1, 30)
    log.persist(
        HardState(term, "n1", first - 1),
        [Entry(term, index, b"%d/%d" % (index, term) * 50) for index in range(first, first + count)],
    )
    print(term, first, first + count - 1, flush=True)
    if chance.random() < 0.1:
        log.compact(log.last_index() - 5)
"""

ENGINE_PROGRAM = """
import random, sys
from pathlib import Path
from elastickv.storage.engine import Applied, WriteBatch
from elastickv.storage.lmdb_engine import LmdbEngine
engine = LmdbEngine(Path(sys.argv[1]))
chance = random.Random(int(sys.argv[2]))
index = engine.applied().index
print("open", flush=True)
while True:
    index += 1
    keys = [b"%d" % key for key in range(100)]
    engine.write(WriteBatch(Applied(index, 1), dict.fromkeys(keys, b"%d" % index), [(b"", b"")]))
    print(index, flush=True)
"""


def killed_at_random(process: subprocess.Popen[str], chance: random.Random) -> list[str]:
    """What it had said when it was killed."""
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "open\n"
        time.sleep(chance.random() * 0.1)
        process.kill()
        lines = process.stdout.read().split("\n")
    return lines[:-1]  # the last one may be cut in the middle


def test_the_log_keeps_what_it_reported(tmp_path: Path, python: Callable[..., subprocess.Popen[str]]) -> None:
    chance = random.Random(1)
    rounds_with_reports = 0
    for round_number in range(20):
        reports = killed_at_random(python(LOG_PROGRAM, tmp_path, round_number), chance)
        log = LmdbLog(tmp_path)
        if reports:
            rounds_with_reports += 1
            term, _, last = map(int, reports[-1].split())
            hard = log.initial_state()[0]
            assert hard.term in (term, term + 1)
            if hard.term == term:
                assert log.last_index() == last
                assert log.term(last) == term
        for entry in log.entries(log.first_index(), log.last_index() + 1, 1 << 60):
            assert entry.data == b"%d/%d" % (entry.index, entry.term) * 50
        log.close()
    assert rounds_with_reports >= 5


def test_the_state_is_always_that_of_its_mark(tmp_path: Path, python: Callable[..., subprocess.Popen[str]]) -> None:
    chance = random.Random(2)
    for round_number in range(10):
        reports = killed_at_random(python(ENGINE_PROGRAM, tmp_path, round_number), chance)
        engine = LmdbEngine(tmp_path)
        mark = engine.applied().index
        if reports:
            assert mark in (int(reports[-1]), int(reports[-1]) + 1)
        assert {value for _, value in engine.scan(b"", b"")} <= {b"%d" % mark}
        assert len(list(engine.scan(b"", b""))) == (100 if mark else 0)
        engine.close()
