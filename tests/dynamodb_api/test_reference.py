from __future__ import annotations

from pathlib import Path

from elastickv.dynamodb_api.operations import OPERATIONS
from elastickv.dynamodb_api.reference import inserted

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dynamodb.md"


def test_the_page_is_what_the_declarations_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == inserted(page, OPERATIONS), "run `make docs`"


def test_every_operation_says_what_it_does() -> None:
    assert not [one.target for one in OPERATIONS.values() if not one.summary]
