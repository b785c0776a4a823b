"""Layers of many keys over the engine's, against a dict that says the same."""

from __future__ import annotations

from random import Random

import pytest

from elastickv.kv.layers import Layer
from elastickv.kv.merging import merged

Pairs = list[tuple[bytes, bytes]]


def a_world(seed: int) -> tuple[list[Layer], dict[bytes, bytes], dict[bytes, bytes]]:
    """(layers, newest first; what the engine has; what all of them say together)."""
    rng = Random(seed)
    engine = {b"%05d" % rng.randrange(20_000): b"old" for _ in range(rng.choice((0, 30, 3000)))}
    model = dict(engine)
    layers: list[Layer] = []
    for number in range(rng.randrange(1, 5)):
        layer = Layer()
        for _ in range(rng.choice((0, 1))):
            start, end = sorted((b"%05d" % rng.randrange(20_000), b"%05d" % rng.randrange(20_000)))
            layer.delete_range(start, end)
            model = {key: value for key, value in model.items() if not start <= key < end}
        for _ in range(rng.choice((0, 10, 100, 2000))):
            key = b"%05d" % rng.randrange(20_000)
            if rng.random() < 0.4:
                layer.puts[key] = None
                model.pop(key, None)
            else:
                layer.puts[key] = model[key] = b"%d" % number
        layers.insert(0, layer)
    return layers, engine, model


@pytest.mark.parametrize("seed", range(40))
def test_it_is_what_the_layers_say_together(seed: int) -> None:
    layers, engine, model = a_world(seed)
    for low, high in [(b"", b""), (b"05", b"15"), (b"0999", b""), (b"1", b"1001")]:
        for reverse in (False, True):
            inside = [pair for pair in engine.items() if low <= pair[0] and (not high or pair[0] < high)]
            expected = sorted(pair for pair in model.items() if low <= pair[0] and (not high or pair[0] < high))
            found = merged(
                layers, iter(sorted(inside, reverse=reverse)), low, high, lambda place: None, reverse=reverse
            )
            assert list(found) == (expected[::-1] if reverse else expected)


def test_it_tells_which_layers_had_keys_in_what_was_looked_at() -> None:
    near, far, beneath = Layer(), Layer(), Layer()
    near.puts[b"a"] = b""
    far.puts.update({b"%03d" % number: b"" for number in range(200)})
    far.puts[b"z"] = None
    met: list[int] = []
    pairs = merged([near, far, beneath], iter(()), b"000", b"b", met.append, reverse=False)
    assert next(pairs) == (b"000", b"")
    assert met == [1]
    list(pairs)
    assert set(met) == {0, 1}
