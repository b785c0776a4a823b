"""Words for the argument trees of COMMAND DOCS.

An argument is a dict with the members that Redis 7.2 shows: name, type, display_text, key_spec_index, token, since,
flags, arguments. These functions spell the usual ones, so that a declaration reads like a line of a manual.
"""

from __future__ import annotations

from typing import Any

Argument = dict[str, Any]


def word(
    name: str,
    type: str = "string",
    *,
    token: str = "",
    since: str = "",
    optional: bool = False,
    multiple: bool = False,
) -> Argument:
    """A value, behind its `token` if it has one."""
    argument: Argument = {"name": name, "type": type, "display_text": name}
    if token:
        argument["token"] = token
    return _finish(argument, since, optional, multiple)


def integer(name: str, **options: Any) -> Argument:
    return word(name, "integer", **options)


def key(name: str = "key", spec: int = 0, **options: Any) -> Argument:
    """A key; `spec` counts the key spans of the command."""
    argument = word(name, "key", **options)
    argument["key_spec_index"] = spec
    return argument


def token(text: str, name: str = "", *, since: str = "", optional: bool = False) -> Argument:
    """A word that stands for itself."""
    name = name or text.lower()
    argument: Argument = {"name": name, "type": "pure-token", "display_text": name, "token": text}
    return _finish(argument, since, optional, False)


def oneof(
    name: str,
    *arguments: Argument,
    token: str = "",
    since: str = "",
    optional: bool = False,
    multiple: bool = False,
) -> Argument:
    """Exactly one of `arguments`."""
    return _group("oneof", name, arguments, token, since, optional, multiple)


def block(
    name: str,
    *arguments: Argument,
    token: str = "",
    since: str = "",
    optional: bool = False,
    multiple: bool = False,
) -> Argument:
    """All of `arguments`, in order."""
    return _group("block", name, arguments, token, since, optional, multiple)


def _group(
    type: str,
    name: str,
    arguments: tuple[Argument, ...],
    token: str,
    since: str,
    optional: bool,
    multiple: bool,
) -> Argument:
    argument: Argument = {"name": name, "type": type}
    if token:
        argument["token"] = token
    argument = _finish(argument, since, optional, multiple)
    argument["arguments"] = list(arguments)
    return argument


def _finish(argument: Argument, since: str, optional: bool, multiple: bool) -> Argument:
    if since:
        argument["since"] = since
    flags = [name for name, given in (("optional", optional), ("multiple", multiple)) if given]
    if flags:
        argument["flags"] = flags
    return argument
