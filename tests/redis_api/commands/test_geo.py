"""Places on Earth. What they have in common with Redis, digit for digit, is also compared in tests/conformance."""

from __future__ import annotations

import pytest

from elastickv.redis_api.registry import COMMANDS
from tests.kit.redis_calls import RedisCalls, Word, words

SYNTAX = b"ERR syntax error"
OURS = [command.name for command in COMMANDS.values() if command.group == "geo"]
SICILY = ("13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")


@pytest.fixture
def redis(redis: RedisCalls) -> RedisCalls:
    redis.run("GEOADD", "g", *SICILY)
    return redis


@pytest.mark.parametrize("name", OURS)
def test_arity(redis: RedisCalls, name: str) -> None:
    error = b"ERR wrong number of arguments for '%b' command" % name.encode()
    assert redis.error(name, *["1"] * (abs(COMMANDS[name].arity) - 2)) == error


@pytest.mark.parametrize(
    "argv",
    [
        ("GEOADD", "s", 1, 1, "a"),
        ("GEODIST", "s", "a", "b"),
        ("GEOHASH", "s", "a"),
        ("GEOPOS", "s", "a"),
        ("GEOSEARCH", "s", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m"),
        ("GEOSEARCHSTORE", "d", "s", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m"),
        ("GEORADIUS", "s", 1, 1, 1, "m"),
        ("GEORADIUSBYMEMBER_RO", "s", "a", 1, "m"),
    ],
)
def test_other_types_are_refused(redis: RedisCalls, argv: tuple[Word, ...]) -> None:
    redis.run("SET", "s", "string")
    assert redis.error(*argv) == b"WRONGTYPE Operation against a key holding the wrong kind of value"


def test_geoadd(redis: RedisCalls) -> None:
    assert redis.run("ZRANGE", "g", 0, -1, "WITHSCORES") == [
        b"Palermo",
        3479099956230698.0,
        b"Catania",
        3479447370796909.0,
    ]
    assert redis.run("GEOADD", "g", "NX", 0, 0, "Palermo", 0, 0, "null") == 1
    assert redis.run("GEOADD", "g", "XX", "CH", 1, 1, "null", 1, 1, "none") == 1
    assert redis.run("ZCARD", "g") == 3
    assert redis.error("GEOADD", "g", "NX", "XX", 0, 0, "a") == SYNTAX
    assert redis.error("GEOADD", "g", 0, 0, "a", 1) == SYNTAX
    assert redis.error("GEOADD", "g", "x", 0, "a") == b"ERR value is not a valid float"
    outside = b"ERR invalid longitude,latitude pair 180.100000,-85.050000"
    assert redis.error("GEOADD", "g", "180.1", "-85.05", "a") == outside


def test_geodist(redis: RedisCalls) -> None:
    assert redis.run("GEODIST", "g", "Palermo", "Catania") == b"166274.1516"
    assert redis.run("GEODIST", "g", "Palermo", "Catania", "KM") == b"166.2742"
    assert redis.run("GEODIST", "g", "Palermo", "Catania", "mi") == b"103.3182"
    assert redis.run("GEODIST", "g", "Palermo", "Palermo") == b"0.0000"
    assert redis.run("GEODIST", "g", "Palermo", "none") is None
    assert redis.run("GEODIST", "none", "Palermo", "Catania") is None
    unit = b"ERR unsupported unit provided. please use M, KM, FT, MI"
    assert redis.error("GEODIST", "g", "Palermo", "Catania", "x") == unit
    assert redis.error("GEODIST", "g", "Palermo", "Catania", "m", "x") == SYNTAX


def test_geohash_geopos(redis: RedisCalls) -> None:
    assert redis.run("GEOHASH", "g", "Palermo", "none", "Catania") == [b"sqc8b49rny0", None, b"sqdtr74hyu0"]
    assert redis.run("GEOPOS", "g", "Catania") == [[b"15.08726745843887329", b"37.50266842333162032"]]
    assert redis.wire([b"GEOPOS", b"g", b"none"], 2) == b"*1\r\n*-1\r\n"
    assert redis.run("GEOHASH", "none", "a") == [None]
    redis.call.protocol = 3
    assert redis.wire([b"GEOPOS", b"g", b"Catania"], 3) == (
        b"*1\r\n*2\r\n,15.08726745843887329\r\n,37.50266842333162032\r\n"
    )


def test_geosearch(redis: RedisCalls) -> None:
    redis.run("GEOADD", "g", "12.758489", "38.788135", "edge1", "17.241510", "38.788135", "edge2")
    around = ("GEOSEARCH", "g", "FROMLONLAT", 15, 37)
    assert redis.run(*around, "BYRADIUS", 200, "km", "ASC") == [b"Catania", b"Palermo"]
    assert redis.run(*around, "BYBOX", 400, 400, "km", "DESC", "COUNT", 3) == [b"edge1", b"edge2", b"Palermo"]
    assert redis.run(*around, "BYBOX", 400, 400, "km", "COUNT", 1, "WITHDIST", "WITHHASH", "WITHCOORD") == [
        [b"Catania", b"56.4413", 3479447370796909, [b"15.08726745843887329", b"37.50266842333162032"]]
    ]
    assert redis.run("GEOSEARCH", "g", "FROMMEMBER", "Palermo", "BYRADIUS", 0, "m") == [b"Palermo"]
    anything = redis.run(*around, "BYRADIUS", 9999, "km", "COUNT", 2, "ANY")
    assert isinstance(anything, list)
    assert len(anything) == 2
    assert redis.run("GEOSEARCH", "none", "FROMMEMBER", "x", "BYRADIUS", 1, "m") == []


def test_stores(redis: RedisCalls) -> None:
    around = ("FROMLONLAT", 15, 37, "BYRADIUS", 200, "km")
    assert redis.run("GEOSEARCHSTORE", "d", "g", *around) == 2
    assert redis.run("ZRANGE", "d", 0, -1) == [b"Palermo", b"Catania"]
    assert redis.run("GEOSEARCHSTORE", "d", "g", *around, "STOREDIST") == 2
    assert redis.run("ZRANGE", "d", 0, -1) == [b"Catania", b"Palermo"]
    assert redis.run("GEORADIUS", "g", 15, 37, 100, "km", "STORE", "d") == 1
    assert redis.run("GEORADIUSBYMEMBER", "g", "Palermo", 1, "m", "STOREDIST", "d") == 1
    assert redis.run("ZSCORE", "d", "Palermo") == 0.0
    assert redis.run("GEOSEARCHSTORE", "d", "none", *around) == 0
    assert redis.run("EXISTS", "d") == 0


def test_georadius(redis: RedisCalls) -> None:
    assert redis.run("GEORADIUS", "g", 15, 37, 200, "km", "WITHDIST") == [
        [b"Palermo", b"190.4424"],
        [b"Catania", b"56.4413"],
    ]
    assert redis.run("GEORADIUS_RO", "g", 15, 37, 200, "km", "COUNT", 1) == [b"Catania"]
    assert redis.run("GEORADIUSBYMEMBER", "g", "Catania", 200, "km", "DESC") == [b"Palermo", b"Catania"]
    assert redis.run("GEORADIUSBYMEMBER_RO", "none", "x", "y", "z") == []


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYRADIUS", "x", "m"), b"ERR need numeric radius"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYRADIUS", -1, "m"), b"ERR radius cannot be negative"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYBOX", "x", 1, "m"), b"ERR need numeric width"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYBOX", 1, "x", "m"), b"ERR need numeric height"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYBOX", 1, -1, "m"), b"ERR height or width cannot be negative"),
        (("GEOSEARCH", "g", "FROMMEMBER", "x", "BYRADIUS", 1, "m"), b"ERR could not decode requested zset member"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m", "COUNT", 0), b"ERR COUNT must be > 0"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m", "ANY"),
            b"ERR the ANY argument requires COUNT argument"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "ASC", "ASC"),
            b"ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH"),
        (("geosearch", "g", "BYRADIUS", 1, "m", "ASC", "ASC"),
            b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch"),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "FROMMEMBER", "Palermo", "BYRADIUS", 1, "m"), SYNTAX),
        (("GEOSEARCH", "g", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m", "STOREDIST"), SYNTAX),
        (("GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m", "WITHDIST"),
            b"ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"),
        (("GEORADIUS", "g", 1, 1, 1, "m", "STORE", "d", "WITHHASH"),
            b"ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"),
        (("GEORADIUS_RO", "g", 1, 1, 1, "m", "STORE", "d"), SYNTAX),
        (("GEORADIUS", "g", 1, 1, 1, "m", "BYBOX", 1, 1, "m"), SYNTAX),
    ],
)  # fmt: skip
def test_errors(redis: RedisCalls, argv: tuple[Word, ...], error: bytes) -> None:
    assert redis.error(*argv) == error


def test_keys_of_georadius() -> None:
    def keys(*argv: Word) -> list[bytes]:
        return COMMANDS[str(argv[0]).lower()].keys_of(words(*argv))

    assert keys("GEORADIUS", "g", 1, 1, 1, "m") == [b"g"]
    assert keys("GEORADIUS", "g", 1, 1, 1, "m", "STORE", "a", "STOREDIST", "b") == [b"g", b"b"]
    assert keys("GEORADIUSBYMEMBER", "g", "store", 1, "m", "store", "a") == [b"g", b"a"]
