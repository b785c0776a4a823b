from __future__ import annotations

from elastickv.dynamodb_api.partiql.keys import as_hashed


def test_names_in_the_order_of_their_hashes() -> None:
    assert as_hashed(["b", "a", "b"]) == ["a", "b"]
    # All of these fall into the first of 16 slots, where the first to come stays the first.
    assert as_hashed(["zz", "aa", "mm"]) == ["zz", "aa", "mm"]
    # From the thirteenth name on there are 32 slots, and q (113) does not share one with A (65) any more.
    letters = list("qAbcdefghijk")
    assert as_hashed(letters)[:2] == ["q", "A"]
    assert as_hashed([*letters, "l"])[0] == "A"
