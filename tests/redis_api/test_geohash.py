"""Geohashes and distances, against themselves and against what is known of the Earth."""

from __future__ import annotations

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elastickv.redis_api.geohash import LATITUDE_LIMIT, MAX_STEP, Area, Point, cell_of, decode, distance, encode, text

POINTS = st.builds(Point, st.floats(-180, 179.999), st.floats(-LATITUDE_LIMIT, 85.05))


@given(POINTS)
def test_a_point_comes_back_from_its_hash(point: Point) -> None:
    back = decode(float(encode(point)))
    assert abs(back.longitude - point.longitude) <= 360 / 2**MAX_STEP
    assert abs(back.latitude - point.latitude) <= 180 / 2**MAX_STEP
    assert encode(back) == encode(point)


@given(POINTS, st.integers(1, MAX_STEP))
def test_the_points_of_a_cell_are_one_range(point: Point, step: int) -> None:
    low, high = cell_of(point, step).scores()
    assert low <= encode(point) < high


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(POINTS, POINTS, st.floats(0, 3_000_000))
def test_cells_cover_their_circle(centre: Point, point: Point, radius: float) -> None:
    # Redis' estimate gives up near the poles and across the date line.
    if abs(centre.latitude) > 60 or abs(centre.longitude) > 140:
        return
    area = Area(centre, 2 * radius, 2 * radius, radius)
    place = decode(float(encode(point)))
    inside = area.contains(place)
    covered = any(low <= encode(place) < high for low, high in (cell.scores() for cell in area.cells()))
    assert covered or inside is None


def test_distances() -> None:
    quarter = 6372797.560856 * math.pi / 2
    assert math.isclose(distance(Point(0, 0), Point(90, 0)), quarter)
    assert math.isclose(distance(Point(10, -40), Point(10, 50)), quarter)
    assert distance(Point(1, 2), Point(1, 2)) == 0
    assert math.isnan(distance(Point(-90, 0), Point(90, 0))) or math.isclose(
        distance(Point(-90, 0), Point(90, 0)), 2 * quarter
    )


def test_scores_of_other_origin_are_places_too() -> None:
    for score in (-1.0, 0.5, 1e18, -1e300, math.inf, -math.inf):
        place = decode(score)
        assert -180 <= place.longitude <= 180
        assert -LATITUDE_LIMIT <= place.latitude <= LATITUDE_LIMIT


def test_scores_that_no_hash_has_are_read_as_a_c_program_reads_them() -> None:
    """As GEOPOS of redis-server 7.0.15 on x86-64 shows them."""
    for score in (math.inf, 1e300, 2e19):
        assert decode(score) == decode(0.0)
    for score in (-math.inf, -1e300, -2e19):
        assert decode(score) == decode(2.0**63)


def test_text() -> None:
    assert text(Point(-5.6, 42.6)) == b"ezs42e44yx0"
