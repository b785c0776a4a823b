"""The interpreter: one Lua state per node, made when the first script comes.

Rules that keep it safe:

- Lua never gets hold of a Python object. Host functions are upvalues of functions in `lua/sandbox.lua`; they take and
  return strings, numbers, booleans and tables, and raise nothing (`_sealed`).
- Lua's allocator refuses to go beyond the limit, and scripts can catch that. What lupa itself puts on Lua's stack must
  never meet that limit, because nobody could catch the error there, and the process would end. So nothing is passed in
  (`has_room`) or asked of the host (`room` in lua/support.lua) while more than half of the memory is in use: the other
  half is more than Lua's table of strings, the one thing that may grow at such a moment, can want.
- The globals of the state are not those of scripts; `debug` is gone from them, which also spares lupa a traceback.
"""

from __future__ import annotations

import hashlib
import logging
import struct
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Final, Protocol

import lupa.lua51

from elastickv.redis_api.replies import format_double
from elastickv.redis_api.scripting.tail_calls import without_tail_calls

log = logging.getLogger(__name__)

LuaError: Final[type[Exception]] = lupa.lua51.LuaError
Function = Any
"""A function of Lua, callable from here."""

STATUS, ERROR, ARRAY, RAW, FAILED = range(1, 6)
"""What a text that comes with a second value is: see `lua/replies.lua` and `lua/sandbox.lua`."""

_PIECE: Final = 1000
"""Words that are put on Lua's stack at once; it has room for 8000 values."""

_FLOATS: Final = {(size, big): struct.Struct((">" if big else "<") + ("f" if size == 4 else "d")) for size in (4, 8)
                  for big in (False, True)}  # fmt: skip


class Host(Protocol):
    """What scripts can ask of the server. Every method may be called by any script with any words."""

    def call(self, *words: object) -> object: ...

    def tick(self) -> object: ...

    def log(self, level: int, text: bytes) -> None: ...

    def set_protocol(self, version: int) -> None: ...

    def check_acl(self, *words: object) -> object: ...


class OutOfMemory(Exception):
    """The state has no room for what should be passed in."""


class LuaState:
    def __init__(self, host: Host, max_memory: int, seed: int, version: tuple[str, int]) -> None:
        self._hard_limit = max_memory
        self._max_memory = max_memory // 2
        self._lua = lua = lupa.lua51.LuaRuntime(
            encoding=None,
            source_encoding="latin-1",
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_handlers=(_no_attributes, _no_attributes),
            max_memory=max_memory,
        )
        chunks = resources.files(__package__) / "lua"

        def load(name: str, *arguments: object) -> Any:
            text = (chunks / f"{name}.lua").read_bytes()
            return lua.compile(text, name=b"=redis")(*arguments)

        libraries = lua.execute(b"return {string = string, table = table, math = math}")
        support = load("support", lua.globals()[b"debug"], self._max_memory // 1024)
        bits = load("bit", support)
        libraries[b"bit"] = bits
        libraries[b"struct"] = load("struct", support, bits[b"band"], _sealed(_pack_float), _sealed(_unpack_float))
        libraries[b"cmsgpack"] = load("cmsgpack", support, _sealed(_pack_float), _sealed(_unpack_float))
        libraries[b"cjson"] = load("cjson", support)
        generator = load("random", support, seed)
        libraries[b"math"][b"random"] = generator[b"random"]
        libraries[b"math"][b"randomseed"] = generator[b"randomseed"]
        codes = lua.table_from({b"STATUS": STATUS, b"ERROR": ERROR, b"ARRAY": ARRAY, b"RAW": RAW, b"FAILED": FAILED})
        answer, use_doubles = load("replies", support, STATUS, ERROR, RAW)
        use_doubles(_sealed(lambda number: format_double(float(number))))
        functions = lua.table_from(
            {
                b"call": _sealed(host.call),
                b"call_packed": _sealed(lambda words, count: host.call(*(words[at] for at in range(1, count + 1)))),
                b"tick": _sealed(host.tick),
                b"log": _sealed(host.log),
                b"setresp": _sealed(host.set_protocol),
                b"sha1": _sealed(lambda text: hashlib.sha1(text).hexdigest().encode()),
                b"adjust": _sealed(without_tail_calls),
                b"acl": _sealed(host.check_acl),
                b"version": version[0].encode(),
                b"version_number": version[1],
            }
        )
        exports = load("sandbox", functions, support, answer, libraries, lua.globals()[b"debug"], codes)
        for name in ("debug", "python", "io", "package", "require", "module", "dofile", "loadfile", "print"):
            lua.globals()[name.encode()] = None
        self._compile: Function = exports[b"compile_script"]
        self._load_library: Function = exports[b"load_library"]
        self._push: Function = exports[b"push"]
        self._set_protocols: Callable[[int, int], None] = exports[b"set_protocols"]
        self._protocols = (2, 2)
        self._restore: Function = exports[b"restore"]
        self._run = {False: exports[b"run_script"], True: exports[b"run_function"]}
        lua.gccollect()
        self._sandbox_bytes = int(lua.get_memory_used(total=True))
        self._run_pushed = {False: exports[b"run_script_pushed"], True: exports[b"run_function_pushed"]}

    @property
    def used_bytes(self) -> int:
        """By scripts and libraries; the sandbox itself does not count."""
        return max(0, int(self._lua.get_memory_used(total=True)) - self._sandbox_bytes)

    def has_room(self, size: int) -> bool:
        """`size` bytes can be allocated, now or after a collection."""
        lua = self._lua
        if lua.get_memory_used(total=True) + size <= self._max_memory:
            return True
        # Collecting needs memory at times.
        lua.set_max_memory(0)
        lua.gccollect()
        lua.set_max_memory(self._hard_limit)
        return bool(lua.get_memory_used(total=True) + size <= self._max_memory)

    def table(self, value: list[object] | dict[object, object]) -> object:
        """A table of Lua; lists and dicts within become tables too."""
        return self._lua.table_from(value, recursive=True)

    def begin(self, client_protocol: int) -> None:
        """A script is about to run; `client_protocol` is what its reply will be encoded in."""
        if self._protocols != (client_protocol, 2):
            self._protocols = (client_protocol, 2)
            self._set_protocols(client_protocol, 2)

    def script_protocol_changed(self, version: int) -> None:
        self._protocols = (self._protocols[0], version)

    def restore(self) -> tuple[bytes | bool, int]:
        """After an interruption: where it struck (source, line), or (False, 0)."""
        source, line = self._restore()
        return source, line

    def compile(self, text: bytes) -> tuple[Function, bytes]:
        """(function, b"") or (None, why not)."""
        if not self.has_room(16 * len(text)):
            return None, b"not enough memory"
        compiled = self._compile(text)
        return (None, compiled[1]) if isinstance(compiled, tuple) else (compiled, b"")

    def load_library(self, text: bytes) -> tuple[list[tuple[bytes, Function, bytes, bytes | None]], bytes, bool]:
        """([(name, function, flags with commas, description)], b"", False), or ([], problem, while compiling)."""
        if not self.has_room(16 * len(text)):
            return [], b"not enough memory", True
        loaded = self._load_library(text)
        if isinstance(loaded, tuple):
            return [], loaded[1], bool(loaded[2])
        functions = []
        for place in range(1, len(loaded) + 1):
            one = loaded[place]
            functions.append((one[b"name"], one[b"body"], one[b"flags"], one[b"description"]))
        return functions, b"", False

    def run(self, function: Function, key_count: int, words: Sequence[bytes], *, is_function: bool) -> Any:
        """What the function returned: one value, or a tuple of a text and what it is (see `lua/sandbox.lua`)."""
        if not self.has_room(sum(map(len, words)) + 64 * len(words)):
            raise OutOfMemory
        if len(words) <= _PIECE:
            return self._run[is_function](function, key_count, *words)
        for start in range(0, len(words), _PIECE):
            self._push(*words[start : start + _PIECE])
        return self._run_pushed[is_function](function, key_count)


def _no_attributes(*_: object) -> object:
    raise AttributeError("not for scripts")


def _sealed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lupa would hand an exception to Lua as an object: so none gets out."""

    def sealed(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except BaseException:
            log.exception("a function for scripts failed")
            return (b"ERR internal error", ERROR)

    return sealed


def _pack_float(number: float, size: int, big: bool) -> bytes:
    form = _FLOATS[size, big]
    try:
        return form.pack(number)
    except OverflowError:
        return form.pack(float("inf") if number > 0 else float("-inf"))


def _unpack_float(data: bytes, big: bool) -> float:
    return float(_FLOATS[len(data), big].unpack(data)[0])
