"""Places on Earth: sorted sets whose scores are geohashes. Searches are in `geo_searches`."""

from __future__ import annotations

from typing import Final

from elastickv.redis_api import geohash
from elastickv.redis_api.argument_docs import Argument, block, key, oneof, token, word
from elastickv.redis_api.arguments import double
from elastickv.redis_api.commands.sorted_sets import CH, NX, XX, add_members
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.geohash import LATITUDE_LIMIT, LONGITUDE_LIMIT, Point
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, Reply
from elastickv.redis_api.replies import NULL_ARRAY, Raw
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import sorted_sets
from elastickv.redis_api.values.score_keys import score_of
from elastickv.redis_api.values.sorted_sets import SortedSet

UNIT: Final = oneof("unit", token("M"), token("KM"), token("FT"), token("MI"))
_UNITS: Final = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}
_BAD_UNIT: Final = RedisError(b"ERR unsupported unit provided. please use M, KM, FT, MI")
_OPTIONS: Final = {b"NX": NX, b"XX": XX, b"CH": CH}
_MEMBERS: Final[tuple[Argument, ...]] = (key(), word("member", multiple=True))


def unit(text: bytes) -> float:
    """Metres."""
    metres = _UNITS.get(text.upper())
    if metres is None:
        raise _BAD_UNIT
    return metres


def point(longitude_text: bytes, latitude_text: bytes) -> Point:
    longitude, latitude = double(longitude_text), double(latitude_text)
    if not (-LONGITUDE_LIMIT <= longitude <= LONGITUDE_LIMIT and -LATITUDE_LIMIT <= latitude <= LATITUDE_LIMIT):
        raise RedisError(b"ERR invalid longitude,latitude pair %f,%f" % (longitude, latitude))
    return Point(longitude, latitude)


def where(found: SortedSet | None, member: bytes) -> Point | None:
    """Where a member is."""
    stored = None if found is None else found.key_of(member)
    return None if stored is None else geohash.decode(score_of(stored))


def shown_distance(metres: float) -> bytes:
    """Four decimals, rounded as Redis 7.2 rounds."""
    if metres != metres:
        return b"nan"
    if metres in (float("inf"), float("-inf")):
        return b"%f" % metres
    scaled = round(metres * 10_000)
    return b"%d.%04d" % divmod(scaled, 10_000)


def shown_point(call: Call, place: Point) -> Reply:
    return [_shown(call, place.longitude), _shown(call, place.latitude)]


def _shown(call: Call, degrees: float) -> Reply:
    """All digits up to the seventeenth decimal: Redis prints a `long double` here."""
    digits = (b"%.17f" % degrees).rstrip(b"0").rstrip(b".")
    if digits == b"-0":
        digits = b"0"
    return Raw(b",%b\r\n" % digits) if call.protocol == 3 else digits


@COMMANDS.command(
    "geoadd",
    arity=-5,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    group="geo",
    since="3.2.0",
    complexity="O(log(N)) for each place, in a set of N",
    key_access=("RW UPDATE",),
    history=(("6.2.0", "Options CH, NX and XX."),),
    arguments=(
        key(),
        oneof("condition", token("NX"), token("XX"), since="6.2.0", optional=True),
        token("CH", "change", since="6.2.0", optional=True),
        block("data", word("longitude", "double"), word("latitude", "double"), word("member"), multiple=True),
    ),
)
def geoadd(call: Call) -> Reply:
    """Adds places to a sorted set, or moves them; the reply is how many are new."""
    argv = call.argv
    flags = 0
    at = 2
    while at < len(argv):
        option = _OPTIONS.get(argv[at].upper())
        if option is None:
            break
        flags |= option
        at += 1
    words = argv[at:]
    if not words or len(words) % 3 or (flags & NX and flags & XX):
        raise SYNTAX
    places = [point(*words[start : start + 2]) for start in range(0, len(words), 3)]
    return add_members(call, argv[1], [float(geohash.encode(place)) for place in places], words[2::3], flags)


@COMMANDS.command(
    "geodist",
    arity=-4,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="geo",
    since="3.2.0",
    complexity="O(1)",
    key_access=("RO ACCESS",),
    arguments=(
        key(),
        word("member1"),
        word("member2"),
        oneof("unit", token("M"), token("KM"), token("FT"), token("MI"), optional=True),
    ),
)
def geodist(call: Call) -> Reply:
    """Returns how far two places are from each other."""
    argv = call.argv
    if len(argv) > 5:
        raise SYNTAX
    metres = unit(argv[4]) if len(argv) == 5 else 1.0
    found = sorted_sets.read(call.db, argv[1])
    one, other = where(found, argv[2]), where(found, argv[3])
    if one is None or other is None:
        return None
    return shown_distance(geohash.distance(one, other) / metres)


@COMMANDS.command(
    "geohash",
    arity=-2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="geo",
    since="3.2.0",
    complexity="O(N) for N members asked about",
    key_access=("RO ACCESS",),
    arguments=_MEMBERS,
)
def geohash_(call: Call) -> Reply:
    """Returns places as standard geohashes."""
    found = sorted_sets.read(call.db, call.argv[1])
    places = [where(found, member) for member in call.argv[2:]]
    return [None if place is None else geohash.text(place) for place in places]


@COMMANDS.command(
    "geopos",
    arity=-2,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="geo",
    since="3.2.0",
    complexity="O(N) for N members asked about",
    key_access=("RO ACCESS",),
    arguments=_MEMBERS,
)
def geopos(call: Call) -> Reply:
    """Returns longitude and latitude of places."""
    found = sorted_sets.read(call.db, call.argv[1])
    places = [where(found, member) for member in call.argv[2:]]
    return [NULL_ARRAY if place is None else shown_point(call, place) for place in places]
