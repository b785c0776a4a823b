"""Function libraries: replicated records, and what is loaded of them on this node.

    m redis-function: <name>      the library's code, with its first line

A library is loaded (its code is run, and registers functions) when it comes by FUNCTION LOAD or RESTORE and, on a node
that begins to lead, before the first command that needs one. What a library keeps in its own variables belongs to the
node, as it does to each replica of Redis.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from elastickv.kv.keyspace import META, prefix_end
from elastickv.kv.view import View
from elastickv.redis_api.errors import RedisError
from elastickv.redis_api.scripting.engine import Engine
from elastickv.redis_api.scripting.lua_state import Function
from elastickv.redis_api.scripting.shebang import library_head

log = logging.getLogger(__name__)

PREFIX: Final = META + b"redis-function:"
MAX_NAME: Final = 400
"""Bytes; names are part of keys."""

_NO_FUNCTIONS: Final = RedisError(b"ERR No functions registered")
_NAME_TOO_LONG: Final = RedisError(b"ERR Library names can have at most %d bytes" % MAX_NAME)


@dataclass(frozen=True, slots=True)
class LibraryFunction:
    name: bytes
    body: Function
    flags: tuple[bytes, ...]
    description: bytes | None

    @property
    def read_only(self) -> bool:
        return b"no-writes" in self.flags


@dataclass(frozen=True, slots=True)
class Library:
    name: bytes
    code: bytes
    functions: dict[bytes, LibraryFunction]


class Functions:
    """Only the serving leader uses it."""

    def __init__(self, view: View, engine: Engine) -> None:
        self._view = view
        self._engine = engine
        self._libraries: dict[bytes, Library] = {}
        self._functions: dict[bytes, LibraryFunction] = {}
        """By lower-case name."""
        self._current = False
        """The two above are what the records say."""

    def reset(self) -> None:
        """This node begins to lead, or writes were dropped: look at the records again."""
        self._current = False

    @property
    def libraries(self) -> dict[bytes, Library]:
        if not self._current:
            self._load_records()
        return self._libraries

    def counts(self) -> tuple[int, int]:
        """Libraries and functions, as far as this node knows."""
        return len(self._libraries), len(self._functions)

    def find(self, name: bytes) -> LibraryFunction | None:
        if not self._current:
            self._load_records()
        return self._functions.get(name.lower())

    def _load_records(self) -> None:
        known = self._libraries
        self._libraries = {}
        for key, code in self._view.scan(PREFIX, prefix_end(PREFIX)):
            name = key[len(PREFIX) :]
            library = known.get(name)
            if library is None or library.code != code:
                try:
                    library = self._read(code)
                except RedisError as error:
                    log.error("library %s cannot be loaded: %s", name.decode(), error.text.decode("latin-1"))
                    continue
            self._libraries[name] = library
        self._index()
        self._current = True

    def _index(self) -> None:
        self._functions = {
            name.lower(): function
            for library in self._libraries.values()
            for name, function in library.functions.items()
        }

    def _read(self, code: bytes) -> Library:
        """Run the code of a library. RedisError says why it is none."""
        head = library_head(code)
        if len(head.name) > MAX_NAME:
            raise _NAME_TOO_LONG
        loaded, problem, compiling = self._engine.load_library(head.text)
        if problem:
            kind = b"Error compiling function: " if compiling else b"Error registering functions: "
            raise RedisError(b"ERR " + kind + problem)
        if not loaded:
            raise _NO_FUNCTIONS
        functions = {
            name: LibraryFunction(name, body, tuple(filter(None, flags.split(b","))), description)
            for name, body, flags, description in loaded
        }
        return Library(head.name, code, functions)

    def load(
        self, codes: Iterable[bytes], *, replace: bool, flush: bool = False, restoring: bool = False
    ) -> list[bytes]:
        """Add libraries, all or none; their names. `replace` those of the same name; `flush` all others too."""
        libraries = {} if flush else dict(self.libraries)
        names = []
        for code in codes:
            name = library_head(code).name
            if name in libraries and not replace:
                # FUNCTION RESTORE says it without the quotes.
                raise RedisError(
                    (b"ERR Library %b already exists" if restoring else b"ERR Library '%b' already exists") % name
                )
            library = self._read(code)
            for other in libraries.values():
                if other.name != name:
                    taken = {function.lower() for function in other.functions}
                    for function in library.functions:
                        if function.lower() in taken:
                            raise RedisError(b"ERR Function %b already exists" % function)
            libraries.pop(name, None)
            libraries[name] = library
            names.append(name)
        self._write(libraries)
        return names

    def delete(self, name: bytes) -> bool:
        libraries = dict(self.libraries)
        if libraries.pop(name, None) is None:
            return False
        self._write(libraries)
        return True

    def flush(self) -> None:
        self._write({})

    def _write(self, libraries: dict[bytes, Library]) -> None:
        before = self.libraries
        for name in before:
            if name not in libraries:
                self._view.delete(PREFIX + name)
        for name, library in libraries.items():
            if name not in before or before[name].code != library.code:
                self._view.put(PREFIX + name, library.code)
        self._libraries = libraries
        self._index()

    def rest_on_records(self) -> None:
        """The answer depends on the newest change to the libraries: it must be committed before the answer goes out."""
        for _ in self._view.scan(PREFIX, prefix_end(PREFIX)):
            pass
