"""docs/redis.md says what the command table says."""

from __future__ import annotations

from pathlib import Path

from elastickv.redis_api.commands import COMMANDS
from elastickv.redis_api.reference import REDIS_7_2, inserted, offered

PAGE = Path(__file__).resolve().parents[2] / "docs" / "redis.md"


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == inserted(page), "run `make docs`"


def test_every_refusal_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Commands")[0]
    refused = [name for name, command in COMMANDS.items() if not offered(command)]
    assert refused
    assert [name for name in refused if name.upper() not in text] == []


def test_commands_stand_in_the_group_that_redis_gives_them() -> None:
    groups = {name: group for group, names in REDIS_7_2.items() for name in names.split()}
    assert {name for name, one in COMMANDS.items() if groups.get(name, one.group) != one.group} <= {"module", "sync"}
