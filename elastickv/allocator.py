"""Settings of the C library's allocator that keep a long-running node small.

Log entries and packets are buffers of some hundred kilobytes that come and go on several threads. glibc's defaults
give each thread an arena of its own and, after the first large free, serve ever larger buffers from the heap instead
of mapping them; both leave holes that are never given back. Few arenas and a fixed threshold return the largest
buffers to the system when they are freed; `trim` gives back the holes between the others after a flush. Without it a
node with a million small keys held 300 MiB for what 130 MiB can hold. Elsewhere than on glibc all of this does nothing.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_ARENAS: Final = 2
_MAPPED_BYTES: Final = 1 << 20
"""Well above an entry with the requests of some hundred clients: to map such a buffer page by page, and to give it
back, takes longer than to fill it."""
_KEPT_BYTES: Final = 8 << 20
"""So much at the end of the heap may stay free until the next `trim`, for the same reason."""


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
        _LIBC.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def trim() -> None:
    """Give free memory back to the system. Takes some milliseconds; does not hold the interpreter lock."""
    if _LIBC is not None:
        _LIBC.malloc_trim(0)
