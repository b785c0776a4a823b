"""Settings of the C library's allocator that keep a long-running node small.

Log entries and packets are buffers of some hundred kilobytes that come and go on several threads. glibc's defaults
give each thread an arena of its own and, after the first large free, serve such buffers from the heap instead of
mapping them; both leave holes that are never given back. Few arenas and a fixed threshold return a buffer to the
system when it is freed; `trim` gives back the holes between small ones after a flush. Without it a node with a million
small keys held 300 MiB for what 130 MiB can hold. Elsewhere than on glibc all of this does nothing.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_ARENAS: Final = 2
_MAPPED_BYTES: Final = 128 << 10


def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
    except OSError:
        return None


_LIBC: Final = _library()


def configure() -> None:
    """Once, before threads start."""
    if _LIBC is not None:
        _LIBC.mallopt(_M_ARENA_MAX, _ARENAS)
        _LIBC.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)


def trim() -> None:
    """Give free memory back to the system. Takes some milliseconds; does not hold the interpreter lock."""
    if _LIBC is not None:
        _LIBC.malloc_trim(0)
