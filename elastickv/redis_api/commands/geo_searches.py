"""Places on Earth within a circle or a box: GEOSEARCH, and the GEORADIUS family that came before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from elastickv.redis_api import geohash
from elastickv.redis_api.argument_docs import Argument, block, integer, key, oneof, token, word
from elastickv.redis_api.arguments import double
from elastickv.redis_api.arguments import integer as read_integer
from elastickv.redis_api.commands.geo import UNIT, point, shown_distance, shown_point, unit, where
from elastickv.redis_api.commands.sorted_set_ranges import store_result
from elastickv.redis_api.errors import SYNTAX, RedisError
from elastickv.redis_api.geohash import Area, Point
from elastickv.redis_api.registry import COMMANDS, ONE_KEY, Flag, KeySpan, KeySpec, Reply
from elastickv.redis_api.session import Call
from elastickv.redis_api.values import sorted_sets
from elastickv.redis_api.values.score_keys import member_of, score_key, score_of
from elastickv.redis_api.values.sorted_sets import SortedSet, entries_of

_NO_MEMBER: Final = RedisError(b"ERR could not decode requested zset member")
_BAD_COUNT: Final = RedisError(b"ERR COUNT must be > 0")
_ANY_NEEDS_COUNT: Final = RedisError(b"ERR the ANY argument requires COUNT argument")
_STORE_SHOWS_NOTHING: Final = b"ERR %b is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
_COST: Final = "O(N+log(M)) for N members in the cells that cover the area, in a set of M"


@dataclass(slots=True)
class _Search:
    """What one of the commands asks for."""

    found: SortedSet | None
    centre: Point | None = None
    """None also when the member to search from cannot be looked up, because there is no set."""
    centre_given: str = ""
    """Which of FROMMEMBER and FROMLONLAT."""
    radius: float | None = None
    box: tuple[float, float] | None = None
    """Width and height."""
    metres: float = 1.0
    """Of the unit."""
    shown: set[bytes] = field(default_factory=set)
    order: bytes = b""
    count: int = 0
    any: bool = False
    store_at: bytes | None = None
    store_distance: bool = False


@dataclass(frozen=True, slots=True)
class _Hit:
    member: bytes
    score: float
    place: Point
    distance: float
    """In the unit asked for."""


def _set_radius(search: _Search, radius_text: bytes, unit_text: bytes) -> None:
    radius = double(radius_text, RedisError(b"ERR need numeric radius"))
    if radius < 0:
        raise RedisError(b"ERR radius cannot be negative")
    search.metres = unit(unit_text)
    search.radius = radius


def _set_box(search: _Search, width_text: bytes, height_text: bytes, unit_text: bytes) -> None:
    width = double(width_text, RedisError(b"ERR need numeric width"))
    height = double(height_text, RedisError(b"ERR need numeric height"))
    if width < 0 or height < 0:
        raise RedisError(b"ERR height or width cannot be negative")
    search.metres = unit(unit_text)
    search.box = (width, height)


def _set_centre(search: _Search, member: bytes) -> None:
    if search.found is not None:
        search.centre = where(search.found, member)
        if search.centre is None:
            raise _NO_MEMBER


def _read_options(search: _Search, words: list[bytes], *, geosearch: bool, store: bool, keys: bool) -> None:
    """`geosearch`: centre and shape are among the options; `store`: STOREDIST is; `keys`: STORE and STOREDIST name a
    key."""
    at = 0
    while at < len(words):
        option = words[at].upper()
        left = len(words) - at - 1
        if option in (b"WITHDIST", b"WITHHASH", b"WITHCOORD"):
            search.shown.add(option)
        elif option == b"ANY":
            search.any = True
        elif option in (b"ASC", b"DESC"):
            search.order = option
        elif option == b"COUNT" and left:
            search.count = read_integer(words[at + 1])
            if search.count <= 0:
                raise _BAD_COUNT
            at += 1
        elif option in (b"STORE", b"STOREDIST") and keys and left:
            search.store_at = words[at + 1]
            search.store_distance = option == b"STOREDIST"
            at += 1
        elif option == b"STOREDIST" and store:
            search.store_distance = True
        elif geosearch:
            at += _read_shape(search, option, words, at, left)
        else:
            raise SYNTAX
        at += 1


def _read_shape(search: _Search, option: bytes, words: list[bytes], at: int, left: int) -> int:
    """An option that says where to search; how many words it takes."""
    if option == b"FROMMEMBER" and left >= 1 and search.centre_given != "lonlat":
        _set_centre(search, words[at + 1])
        search.centre_given = "member"
        return 1
    if option == b"FROMLONLAT" and left >= 2 and search.centre_given != "member":
        search.centre = point(words[at + 1], words[at + 2])
        search.centre_given = "lonlat"
        return 2
    if option == b"BYRADIUS" and left >= 2 and search.box is None:
        _set_radius(search, words[at + 1], words[at + 2])
        return 2
    if option == b"BYBOX" and left >= 3 and search.radius is None:
        _set_box(search, words[at + 1], words[at + 2], words[at + 3])
        return 3
    raise SYNTAX


def _answer(call: Call, search: _Search, *, geosearch: bool) -> Reply:
    """Check what is asked for as a whole, and do it."""
    if search.store_at is not None and search.shown:
        raise RedisError(_STORE_SHOWS_NOTHING % (b"GEOSEARCHSTORE" if geosearch else b"STORE option in GEORADIUS"))
    if geosearch and not search.centre_given:
        raise RedisError(b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %b" % call.argv[0])
    if geosearch and search.radius is None and search.box is None:
        raise RedisError(b"ERR exactly one of BYRADIUS and BYBOX can be specified for %b" % call.argv[0])
    if search.any and not search.count:
        raise _ANY_NEEDS_COUNT
    hits = [] if search.found is None else _hits(search, search.found)
    if search.store_at is not None:
        entries = entries_of((hit.member, hit.distance if search.store_distance else hit.score) for hit in hits)
        return store_result(call, search.store_at, entries, b"geosearchstore" if geosearch else b"georadiusstore")
    return [_shown(call, search, hit) for hit in hits]


def _hits(search: _Search, found: SortedSet) -> list[_Hit]:
    assert search.centre is not None
    if search.radius is not None:
        radius = search.radius * search.metres
        area = Area(search.centre, 2 * radius, 2 * radius, radius)
    else:
        assert search.box is not None
        width, height = search.box
        area = Area(search.centre, width * search.metres, height * search.metres, None)
    enough = search.count if search.any else 0
    hits: list[_Hit] = []
    for cell in area.cells():
        if enough and len(hits) >= enough:
            break
        low, high = cell.scores()
        start, stop = found.below(score_key(float(low))), found.below(score_key(float(high)))
        for entry in found.slice(start, stop):
            score = score_of(entry)
            place = geohash.decode(score)
            away = area.contains(place)
            if away is None:
                continue
            hits.append(_Hit(member_of(entry), score, place, away / search.metres))
            if enough and len(hits) >= enough:
                break
    if search.order or (search.count and not search.any):
        hits.sort(key=lambda hit: hit.distance, reverse=search.order == b"DESC")
    return hits[: search.count] if search.count else hits


def _shown(call: Call, search: _Search, hit: _Hit) -> Reply:
    if not search.shown:
        return hit.member
    parts: list[Reply] = [hit.member]
    if b"WITHDIST" in search.shown:
        parts.append(shown_distance(hit.distance))
    if b"WITHHASH" in search.shown:
        parts.append(int(hit.score))
    if b"WITHCOORD" in search.shown:
        parts.append(shown_point(call, hit.place))
    return parts


_FROM: Final = oneof(
    "from",
    word("member", token="FROMMEMBER"),
    block("fromlonlat", word("longitude", "double"), word("latitude", "double"), token="FROMLONLAT"),
)
_BY: Final = oneof(
    "by",
    block("circle", word("radius", "double", token="BYRADIUS"), UNIT),
    block("box", word("width", "double", token="BYBOX"), word("height", "double"), UNIT),
)
_ORDER: Final = oneof("order", token("ASC"), token("DESC"), optional=True)
_SHOWN: Final[tuple[Argument, ...]] = (
    token("WITHCOORD", optional=True),
    token("WITHDIST", optional=True),
    token("WITHHASH", optional=True),
)


def _count(any_since: str = "") -> Argument:
    any_token = token("ANY", since=any_since, optional=True)
    return block("count-block", integer("count", token="COUNT"), any_token, optional=True)


@COMMANDS.command(
    "geosearch",
    arity=-7,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="geo",
    since="6.2.0",
    complexity=_COST,
    key_access=("RO ACCESS",),
    history=(("7.0.0", "Units in any case."),),
    arguments=(key(), _FROM, _BY, _ORDER, _count(), *_SHOWN),
)
def geosearch(call: Call) -> Reply:
    """Returns the places within a circle or a box."""
    search = _Search(sorted_sets.read(call.db, call.argv[1]))
    _read_options(search, call.argv[2:], geosearch=True, store=False, keys=False)
    return _answer(call, search, geosearch=True)


@COMMANDS.command(
    "geosearchstore",
    arity=-8,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=KeySpan(1, 2, 1),
    group="geo",
    since="6.2.0",
    complexity=_COST,
    key_access=("OW UPDATE", "RO ACCESS"),
    history=(("7.0.0", "Units in any case."),),
    arguments=(
        key("destination"),
        key("source", 1),
        _FROM,
        _BY,
        _ORDER,
        _count(),
        token("STOREDIST", optional=True),
    ),
)
def geosearchstore(call: Call) -> Reply:
    """Stores the places within a circle or a box at another key; the reply is how many."""
    search = _Search(sorted_sets.read(call.db, call.argv[2]), store_at=call.argv[1])
    _read_options(search, call.argv[3:], geosearch=True, store=True, keys=False)
    return _answer(call, search, geosearch=True)


def _georadius(call: Call, *, store: bool) -> Reply:
    argv = call.argv
    search = _Search(sorted_sets.read(call.db, argv[1]))
    search.centre = point(argv[2], argv[3])
    _set_radius(search, argv[4], argv[5])
    _read_options(search, argv[6:], geosearch=False, store=False, keys=store)
    return _answer(call, search, geosearch=False)


def _georadius_by_member(call: Call, *, store: bool) -> Reply:
    argv = call.argv
    search = _Search(sorted_sets.read(call.db, argv[1]))
    if search.found is not None:
        # Redis does not look at the radius when there is nothing to search.
        _set_centre(search, argv[2])
        _set_radius(search, argv[3], argv[4])
    _read_options(search, argv[5:], geosearch=False, store=False, keys=store)
    return _answer(call, search, geosearch=False)


def _stores(start: int) -> tuple[KeySpec, ...]:
    return (
        KeySpec("RO ACCESS", index=1),
        KeySpec("OW UPDATE", keyword="STORE", start_from=start),
        KeySpec("OW UPDATE", keyword="STOREDIST", start_from=start),
    )


def _find_keys(start: int, argv: list[bytes]) -> list[bytes]:
    """The set, and where the result goes: the last STORE or STOREDIST counts."""
    found = argv[1:2]
    for at in range(len(argv) - 2, start - 1, -1):
        if argv[at].upper() in (b"STORE", b"STOREDIST"):
            return [*found, argv[at + 1]]
    return found


_RADIUS: Final[tuple[Argument, ...]] = (word("radius", "double"), UNIT)
_CENTRE: Final[tuple[Argument, ...]] = (word("longitude", "double"), word("latitude", "double"))
_STORE: Final[tuple[Argument, ...]] = (
    key("key", 1, token="STORE", optional=True),
    key("key", 2, token="STOREDIST", optional=True),
)


@COMMANDS.command(
    "georadius",
    arity=-6,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    find_keys=lambda argv: _find_keys(6, list(argv)),
    group="geo",
    since="3.2.0",
    complexity=_COST,
    key_specs=_stores(6),
    history=(("6.2.0", "Option ANY for COUNT."), ("7.0.0", "Units in any case.")),
    arguments=(key(), *_CENTRE, *_RADIUS, *_SHOWN, _count("6.2.0"), _ORDER, *_STORE),
)
def georadius(call: Call) -> Reply:
    """Returns the places around a point, or stores them at another key."""
    return _georadius(call, store=True)


@COMMANDS.command(
    "georadius_ro",
    arity=-6,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="geo",
    since="3.2.10",
    complexity=_COST,
    key_access=("RO ACCESS",),
    history=(("6.2.0", "Option ANY for COUNT."),),
    arguments=(key(), *_CENTRE, *_RADIUS, *_SHOWN, _count("6.2.0"), _ORDER),
)
def georadius_ro(call: Call) -> Reply:
    """Returns the places around a point."""
    return _georadius(call, store=False)


@COMMANDS.command(
    "georadiusbymember",
    arity=-5,
    flags=Flag.WRITE | Flag.DENYOOM,
    keys=ONE_KEY,
    find_keys=lambda argv: _find_keys(5, list(argv)),
    group="geo",
    since="3.2.0",
    complexity=_COST,
    key_specs=_stores(5),
    history=(("7.0.0", "Units in any case."),),
    arguments=(key(), word("member"), *_RADIUS, *_SHOWN, _count(), _ORDER, *_STORE),
)
def georadiusbymember(call: Call) -> Reply:
    """Returns the places around a member, or stores them at another key."""
    return _georadius_by_member(call, store=True)


@COMMANDS.command(
    "georadiusbymember_ro",
    arity=-5,
    flags=Flag.READONLY,
    keys=ONE_KEY,
    group="geo",
    since="3.2.10",
    complexity=_COST,
    key_access=("RO ACCESS",),
    arguments=(key(), word("member"), *_RADIUS, *_SHOWN, _count(), _ORDER),
)
def georadiusbymember_ro(call: Call) -> Reply:
    """Returns the places around a member."""
    return _georadius_by_member(call, store=False)
