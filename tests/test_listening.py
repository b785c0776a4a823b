"""Doors on machines where a name stands for more than the machine has."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from elastickv import listening


@pytest.fixture
def localhost_is_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """As /etc/hosts usually says."""

    def getaddrinfo(host: str, port: Any, **_: Any) -> list[Any]:
        assert host == "localhost"
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        ]

    monkeypatch.setattr("elastickv.listening.socket.getaddrinfo", getaddrinfo)


def without(monkeypatch: pytest.MonkeyPatch, *absent: str) -> None:
    class Probe:
        def __init__(self, family: int, kind: int) -> None:
            pass

        def __enter__(self) -> Probe:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def bind(self, address: tuple[str, int]) -> None:
            if address[0] in absent:
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr("elastickv.listening.socket.socket", Probe)


@pytest.mark.usefixtures("localhost_is_both")
@pytest.mark.parametrize(
    ("absent", "bound"),
    [((), ["::1", "127.0.0.1"]), (("::1",), ["127.0.0.1"]), (("::1", "127.0.0.1"), ["::1", "127.0.0.1"])],
)
def test_what_the_machine_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...], bound: list[str]
) -> None:
    """With nothing left, all are tried, so that the error names what is wrong."""
    without(monkeypatch, *absent)
    assert listening.addresses("localhost") == bound


def test_a_number_is_taken_at_its_word() -> None:
    assert listening.addresses("192.0.2.7") == ["192.0.2.7"]
    assert listening.addresses("::1") == ["::1"]


def test_an_empty_host_is_every_interface() -> None:
    assert listening.addresses("") is None
