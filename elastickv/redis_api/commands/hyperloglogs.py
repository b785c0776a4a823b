"""HyperLogLog: how many different elements there were, in 12 KB and with an error of 0.8 %.

A sketch is a string with Redis' own bytes (`hyperloglog`), so GET, SET, DUMP and RESTORE carry it from and to a Redis
server.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Final

from elastickv.redis_api import hyperloglog
from elastickv.redis_api.argument_docs import key, word
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.hyperloglog import Corrupted, HyperLogLog, NoHyperLogLog
from elastickv.redis_api.registry import ALL_KEYS, COMMANDS, ONE_KEY, Flag, Handler, KeySpan, Reply
from elastickv.redis_api.replies import OK, Simple
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import events
from elastickv.redis_api.values.records import Record, RecordType

_NO_SKETCH: Final = RedisError(b"WRONGTYPE Key is not a valid HyperLogLog string value.")
_CORRUPTED: Final = RedisError(b"INVALIDOBJ Corrupted HLL object detected")


def _parsed(record: Record) -> HyperLogLog:
    try:
        return HyperLogLog.parse(record.payload)
    except NoHyperLogLog:
        raise _NO_SKETCH from None


def _read(call: Call, names: list[bytes]) -> Iterator[HyperLogLog]:
    """The sketches that are there, one after the other, so that the first error is the one that Redis meets first."""
    for name in names:
        record = call.db.read_string(name)
        if record is not None:
            yield _parsed(record)


def _checked(handler: Handler) -> Handler:
    """The handler with Redis' word for registers that make no sense."""

    @wraps(handler)
    def run(call: Call) -> Reply:
        try:
            return handler(call)
        except Corrupted:
            raise _CORRUPTED from None

    return run


def _store(call: Call, name: bytes, record: Record | None, sketch: HyperLogLog) -> None:
    if record is None:
        call.db.store(name, RecordType.STRING, sketch.to_bytes(), edited=True)
    else:
        call.db.rewrite(record, sketch.to_bytes(), edited=True)


@COMMANDS.command(
    "pfadd",
    arity=-2,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.FAST,
    keys=ONE_KEY,
    group="hyperloglog",
    since="2.8.9",
    complexity="O(1) for each element",
    key_access=("RW INSERT",),
    arguments=(key(), word("element", optional=True, multiple=True)),
)
@_checked
def pfadd(call: Call) -> Reply:
    """Adds elements to a sketch; the reply is whether its estimate may have changed."""
    _, name, *elements = call.argv
    record = call.db.string_record(name)
    sketch = HyperLogLog() if record is None else _parsed(record)
    most = call.databases.limits.hll_sparse_bytes
    changed = record is None
    try:
        for element in elements:
            changed |= sketch.add(element, most)
    except Corrupted:
        # What came before the damage was noticed stays, as in Redis.
        if changed:
            sketch.forget_cardinality()
            _store(call, name, record, sketch)
        raise
    if changed:
        sketch.forget_cardinality()
        _store(call, name, record, sketch)
        call.db.notify(events.STRING, b"pfadd", name)
    return int(changed)


@COMMANDS.command(
    "pfcount",
    arity=-2,
    flags=Flag.READONLY | Flag.MAY_REPLICATE,
    keys=ALL_KEYS,
    group="hyperloglog",
    since="2.8.9",
    complexity="O(1) for one key, O(N) for N keys, with a large constant",
    key_access=("RW ACCESS",),
    arguments=(key(multiple=True),),
)
@_checked
def pfcount(call: Call) -> Reply:
    """Estimates how many different elements were added to sketches, taken together."""
    names = call.argv[1:]
    if len(names) > 1:
        return hyperloglog.estimate(hyperloglog.merged([one.registers() for one in _read(call, names)]))
    record = call.db.read_string(names[0])
    if record is None:
        return 0
    sketch = _parsed(record)
    if sketch.cached is None:
        sketch.count()
        _store(call, names[0], record, sketch)
    return sketch.count()


@COMMANDS.command(
    "pfmerge",
    arity=-2,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ALL_KEYS,
    group="hyperloglog",
    since="2.8.9",
    complexity="O(N) for N sketches, with a large constant",
    key_access=("RW ACCESS INSERT", "RO ACCESS"),
    arguments=(key("destkey"), key("sourcekey", 1, multiple=True)),
)
@_checked
def pfmerge(call: Call) -> Reply:
    """Stores a sketch of everything that was added to several sketches, the destination included."""
    _, name, *sources = call.argv
    record = call.db.string_record(name)
    sketch = HyperLogLog() if record is None else _parsed(record)
    all_registers = [sketch.registers()]
    dense = False
    for one in _read(call, sources):
        dense |= not one.is_sparse
        all_registers.append(one.registers())
    if dense:
        sketch.make_dense()
    most = call.databases.limits.hll_sparse_bytes
    for index, value in enumerate(hyperloglog.merged(all_registers)):
        if value:
            sketch.raise_register(index, value, most)
    sketch.forget_cardinality()
    _store(call, name, record, sketch)
    call.db.notify(events.STRING, b"pfadd", name)
    return OK


@COMMANDS.command(
    "pfdebug",
    arity=3,
    flags=Flag.WRITE | Flag.DENYOOM | Flag.ADMIN,
    keys=KeySpan(2, 2, 1),
    group="hyperloglog",
    since="2.8.9",
    complexity="O(N) for N registers",
    key_access=("RW ACCESS",),
    arguments=(word("subcommand"), key()),
)
@_checked
def pfdebug(call: Call) -> Reply:
    """Shows the inside of a sketch: its registers, runs or encoding."""
    _, sub, name = call.argv
    record = call.db.string_record(name)
    if record is None:
        raise RedisError(b"ERR The specified key does not exist")
    sketch = _parsed(record)
    wanted = sub.upper()
    if wanted == b"ENCODING":
        return Simple(b"sparse" if sketch.is_sparse else b"dense")
    if wanted == b"DECODE":
        if not sketch.is_sparse:
            raise RedisError(b"ERR HLL encoding is not sparse")
        return b" ".join(
            b"v:%d,%d" % (value, length) if value else b"%b:%d" % (b"z" if size == 1 else b"Z", length)
            for value, length, size in sketch.runs()
        )
    if wanted not in (b"GETREG", b"TODENSE"):
        raise RedisError(b"ERR Unknown PFDEBUG subcommand '%b'" % sub.partition(b"\0")[0])
    converted = sketch.is_sparse
    if converted:
        sketch.make_dense()
        _store(call, name, record, sketch)
    return list(sketch.registers()) if wanted == b"GETREG" else int(converted)


@COMMANDS.command(
    "pfselftest",
    arity=1,
    flags=Flag.ADMIN,
    group="hyperloglog",
    since="2.8.9",
    complexity="O(N) for N elements that are added",
)
def pfselftest(call: Call) -> Reply:
    """Adds elements to a sketch, sparse and dense, and checks that the estimates stay near the truth."""
    sketch, dense = HyperLogLog(), HyperLogLog()
    dense.make_dense()
    for number in range(1, 5001):
        element = b"%d" % number
        sketch.add(element, call.databases.limits.hll_sparse_bytes)
        dense.add(element, 0)
        if number % 1000 == 0:
            if sketch.registers() != dense.registers():
                raise RedisError(b"ERR TESTFAILED sparse and dense registers differ")
            sketch.forget_cardinality()
            # Six times the standard error of 1.04 / sqrt(registers).
            if abs(sketch.count() - number) > number * 6 * 1.04 / 128:
                raise RedisError(b"ERR TESTFAILED Too big error. card:%d estimate:%d" % (number, sketch.count()))
    if HyperLogLog.parse(dense.to_bytes()).registers() != dense.registers():
        raise RedisError(b"ERR TESTFAILED registers do not come back")
    return OK
