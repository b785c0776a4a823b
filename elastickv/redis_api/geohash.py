"""Places on Earth as 52-bit numbers, and distances between them, digit for digit as Redis has them.

A cell at step `s` is one of 2**s columns (longitude) and 2**s rows (latitude) of the Mercator square; its hash has the
bits of both in turn, the column's first. Points are hashes at step 26, kept as scores, so all points of a cell lie in
one range of scores. Distances are great circles (haversine) on a sphere.

Formulas are evaluated in Redis' order of operations: results differ in their last digits otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LONGITUDE_LIMIT: Final = 180.0
LATITUDE_LIMIT: Final = 85.05112878
"""Beyond, the Mercator projection is of no use."""
MAX_STEP: Final = 26

_EARTH_RADIUS: Final = 6372797.560856
"""Metres; the quadratic mean of WGS-84."""
_RADIANS: Final = math.pi / 180.0
_MERCATOR_MAX: Final = 20037726.37
_64_BITS: Final = (1 << 64) - 1
_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Point:
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True)
class Cell:
    """Column and row at a step."""

    column: int
    row: int
    step: int

    @property
    def bits(self) -> int:
        return _spread(self.row) | _spread(self.column) << 1

    def scores(self) -> tuple[int, int]:
        """The range of hashes of points in it, the upper end not included."""
        shift = 2 * (MAX_STEP - self.step)
        return self.bits << shift, self.bits + 1 << shift

    def bounds(self) -> tuple[float, float, float, float]:
        """Lowest and highest longitude, lowest and highest latitude."""
        side = 1 << self.step
        columns, rows = 2 * LONGITUDE_LIMIT, 2 * LATITUDE_LIMIT
        return (
            -LONGITUDE_LIMIT + self.column / side * columns,
            -LONGITUDE_LIMIT + (self.column + 1) / side * columns,
            -LATITUDE_LIMIT + self.row / side * rows,
            -LATITUDE_LIMIT + (self.row + 1) / side * rows,
        )

    def neighbour(self, east: int, north: int) -> Cell:
        """The cell next to it; columns and rows begin again behind the last one."""
        side = 1 << self.step
        return Cell(
            (self.column + east) % side if east else self.column,
            (self.row + north) % side if north else self.row,
            self.step,
        )


def _spread(number: int) -> int:
    """The low 32 bits, each followed by a zero."""
    number &= 0xFFFFFFFF
    number = (number | number << 16) & 0x0000FFFF0000FFFF
    number = (number | number << 8) & 0x00FF00FF00FF00FF
    number = (number | number << 4) & 0x0F0F0F0F0F0F0F0F
    number = (number | number << 2) & 0x3333333333333333
    return (number | number << 1) & 0x5555555555555555


def _gather(number: int) -> int:
    """The opposite of `_spread`."""
    number &= 0x5555555555555555
    number = (number | number >> 1) & 0x3333333333333333
    number = (number | number >> 2) & 0x0F0F0F0F0F0F0F0F
    number = (number | number >> 4) & 0x00FF00FF00FF00FF
    number = (number | number >> 8) & 0x0000FFFF0000FFFF
    return (number | number >> 16) & 0x00000000FFFFFFFF


def cell_of(point: Point, step: int, latitude_limit: float = LATITUDE_LIMIT) -> Cell:
    side = 1 << step
    column = (point.longitude - -LONGITUDE_LIMIT) / (2 * LONGITUDE_LIMIT)
    row = (point.latitude - -latitude_limit) / (2 * latitude_limit)
    return Cell(int(column * side), int(row * side), step)


def encode(point: Point) -> int:
    """The hash of a point within the limits, which fits into a double."""
    return cell_of(point, MAX_STEP).bits


def decode(score: float) -> Point:
    """The middle of the smallest cell; any score is the hash of some point, as in Redis."""
    bits = _as_uint64(score)
    west, east, south, north = Cell(_gather(bits >> 1), _gather(bits), MAX_STEP).bounds()
    longitude = (west + east) / 2
    latitude = (south + north) / 2
    return Point(
        max(min(longitude, LONGITUDE_LIMIT), -LONGITUDE_LIMIT), max(min(latitude, LATITUDE_LIMIT), -LATITUDE_LIMIT)
    )


def _as_uint64(score: float) -> int:
    """What a C program on x86-64 makes of a double."""
    if not -(2.0**63) <= score < 2.0**64:
        return 1 << 63 if score < 0 else 0
    return int(score) & _64_BITS


def text(point: Point) -> bytes:
    """The standard geohash of eleven letters. It counts latitudes to the poles; its last letter has no bits."""
    bits = cell_of(point, MAX_STEP, latitude_limit=90.0).bits
    return bytes(_ALPHABET[bits >> 52 - 5 * place & 31] for place in range(1, 11)) + _ALPHABET[:1]


def distance(one: Point, other: Point) -> float:
    """Metres."""
    across = math.sin((other.longitude * _RADIANS - one.longitude * _RADIANS) / 2)
    if across == 0.0:
        return latitude_distance(one, other)
    first, second = one.latitude * _RADIANS, other.latitude * _RADIANS
    along = math.sin((second - first) / 2)
    square = along * along + math.cos(first) * math.cos(second) * across * across
    root = math.sqrt(square)
    # C says NaN for what rounding carried beyond the opposite end of the world.
    return 2.0 * _EARTH_RADIUS * math.asin(root) if root <= 1.0 else math.nan


def latitude_distance(one: Point, other: Point) -> float:
    return _EARTH_RADIUS * abs(other.latitude * _RADIANS - one.latitude * _RADIANS)


@dataclass(frozen=True, slots=True)
class Area:
    """A circle or a box around a point, in metres. Of a circle, `width` is twice the radius and `height` too."""

    centre: Point
    width: float
    height: float
    radius: float | None
    """None for a box."""

    def contains(self, point: Point) -> float | None:
        """How far the point is from the centre; None when it is outside."""
        if self.radius is not None:
            away = distance(self.centre, point)
            return None if away > self.radius else away
        if latitude_distance(point, self.centre) > self.height / 2:
            return None
        if distance(point, Point(self.centre.longitude, point.latitude)) > self.width / 2:
            return None
        return distance(self.centre, point)

    def cells(self) -> list[Cell]:
        """Cells that cover the area, in the order in which Redis looks through them."""
        centre = self.centre
        west, east, south, north = self._bounds()
        reach = (
            self.radius
            if self.radius is not None
            else math.sqrt((self.width / 2) * (self.width / 2) + (self.height / 2) * (self.height / 2))
        )
        step = _step_for(reach, centre.latitude)
        cell = cell_of(centre, step)
        too_small = (
            cell.neighbour(0, 1).bounds()[3] < north
            or cell.neighbour(0, -1).bounds()[2] > south
            or cell.neighbour(1, 0).bounds()[1] < east
            or cell.neighbour(-1, 0).bounds()[0] > west
        )
        if step > 1 and too_small:
            step -= 1
            cell = cell_of(centre, step)
        skipped: set[tuple[int, int]] = set()
        if step >= 2:
            cell_west, cell_east, cell_south, cell_north = cell.bounds()
            # Where the cell reaches beyond the area, nothing is to be found in that direction.
            skipped |= {way for way in _WAYS if way[1] == -1 and cell_south < south}
            skipped |= {way for way in _WAYS if way[1] == 1 and cell_north > north}
            skipped |= {way for way in _WAYS if way[0] == -1 and cell_west < west}
            skipped |= {way for way in _WAYS if way[0] == 1 and cell_east > east}
        found: list[Cell] = []
        for way in _WAYS:
            candidate = cell.neighbour(*way)
            # Large areas have the same neighbour on both sides; Redis notices when they follow each other.
            if way not in skipped and not (found and candidate == found[-1]):
                found.append(candidate)
        return found

    def _bounds(self) -> tuple[float, float, float, float]:
        longitude, latitude = self.centre.longitude, self.centre.latitude
        width, height = (self.radius, self.radius) if self.radius is not None else (self.width / 2, self.height / 2)
        up = height / _EARTH_RADIUS / _RADIANS
        edge = latitude - up if latitude < 0 else latitude + up
        across = width / _EARTH_RADIUS / _cosine(edge * _RADIANS) / _RADIANS
        return longitude - across, longitude + across, latitude - up, latitude + up


_WAYS: Final[tuple[tuple[int, int], ...]] = (
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
)
"""(east, north): itself, north, south, east, west, then the corners."""


def _cosine(angle: float) -> float:
    return math.cos(angle) if math.isfinite(angle) else math.nan


def _step_for(metres: float, latitude: float) -> int:
    """The finest step at which a cell and its neighbours cover a circle, more or less."""
    if metres == 0:
        return MAX_STEP
    step = 1
    while metres < _MERCATOR_MAX:
        metres *= 2
        step += 1
    step -= 2
    if latitude > 66 or latitude < -66:
        step -= 1
        if latitude > 80 or latitude < -80:
            step -= 1
    return max(1, min(step, MAX_STEP))
