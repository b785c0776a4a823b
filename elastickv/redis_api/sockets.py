"""Sockets of clients: their names, and what is set on them."""

from __future__ import annotations

import socket
from typing import Any


def address_of(name: Any) -> bytes:
    if isinstance(name, tuple) and len(name) >= 2:
        host, port = name[0], name[1]
        return f"[{host}]:{port}".encode() if ":" in host else f"{host}:{port}".encode()
    return b"?:0"


def set_socket_options(raw_socket: Any, keepalive_seconds: int) -> None:
    raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive_seconds:
        # As anetKeepAlive: the first probe after the interval, then three more within a third of it each.
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_seconds)
        raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_seconds // 3))
        raw_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
