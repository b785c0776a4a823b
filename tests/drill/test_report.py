"""The files of a drill, and the page: complete, self-contained, and not to be broken by what is shown in it."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from elastickv import cli
from elastickv.drill import recording as files
from elastickv.drill.checker import check
from elastickv.drill.figures import figures
from elastickv.drill.history import dump
from elastickv.drill.page import page
from elastickv.drill.recording import Mark, Recording, Sample, append_event, load, sample_line, save_run
from tests.drill.test_figures import every, recording
from tests.kit.tools import node

HOSTILE = "</script><script>alert(1)</script> & <b>\u2028{{figures}}"


def example(text: str = "n1 stopped") -> Recording:
    samples = [Sample(n / 4, "n1", state="leader", term=2) for n in range(40)]
    samples += [Sample(n / 4, "n2", error="UNAVAILABLE") for n in range(40)]
    found = recording([*every("set", 0, 10), *every("get", 0, 10)], samples=samples, marks=[Mark(4.0, text)])
    found.run.errors.append(("n2", text, 7))
    return found


def save(directory: Path, recorded: Recording) -> None:
    save_run(directory, recorded.run)
    (directory / files.HISTORY).write_text("".join(dump(recorded.operations)))
    (directory / files.SAMPLES).write_text("".join(map(sample_line, recorded.samples)))


class Parsed(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag if tag != "script" else f"script {dict(attrs).get('id', '')}".strip()

    def handle_data(self, data: str) -> None:
        self.texts[self._open] = self.texts.get(self._open, "") + data


def test_the_page_needs_nothing_else() -> None:
    text = page(figures(example(), check(example().operations)))
    assert not re.search(r"""(src|href)\s*=|@import|url\(["']?(?!#)(?!\$)""", text)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    tags = Parsed(text).tags
    assert ("html", {"lang": "en"}) in tags
    assert any(tag == "meta" and attributes.get("name") == "viewport" for tag, attributes in tags)
    assert "prefers-color-scheme: dark" in text


def test_the_page_carries_all_figures_whatever_they_say() -> None:
    recorded = example(HOSTILE)
    recorded.run.title = HOSTILE
    summary = figures(recorded, check(recorded.operations))
    parsed = Parsed(page(summary))
    assert json.loads(parsed.texts["script figures"]) == json.loads(json.dumps(summary))
    assert sum(tag == "script" for tag, _ in parsed.tags) == 2
    assert parsed.texts["title"].strip() == HOSTILE


def test_the_script_is_valid(tmp_path: Path) -> None:
    script = tmp_path / "script.js"
    script.write_text(Parsed(page(figures(example(), check([])))).texts["script"])
    done = subprocess.run([node(), "--check", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    recorded = example()
    save(tmp_path, recorded)
    append_event(tmp_path, "n2 stopped", files.FAULT)
    loaded = load(tmp_path)
    assert loaded.run == recorded.run
    assert loaded.operations == sorted(recorded.operations, key=lambda operation: operation.invoked_at)
    assert loaded.samples == recorded.samples
    assert [mark.text for mark in loaded.marks] == ["n2 stopped"]


def test_a_drill_that_was_killed_can_be_reported(tmp_path: Path) -> None:
    recorded = example()
    recorded.run.ended_at = None
    save(tmp_path, recorded)
    for name in (files.HISTORY, files.SAMPLES):
        with (tmp_path / name).open("a") as file:
            file.write('{"client": "s0@n1", "ki')  # cut short
    assert cli.main(["drill", "report", "--out", str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "report.json").read_text())
    assert not summary["complete"]
    assert summary["seconds"] == pytest.approx(9.9, abs=0.01)
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_a_limit_that_does_not_hold_is_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, example())
    assert cli.main(["drill", "report", "--out", str(tmp_path), "--maxWriteGap", "1s"]) == 0
    assert cli.main(["drill", "report", "--out", str(tmp_path), "--maxWriteGap", "50ms"]) == 1
    assert "longest interruption of writes: 0." in capsys.readouterr().out


def test_lines_that_are_no_events_are_shown_as_notes() -> None:
    marks = files.marks_of(['{"time": 12.5, "text": "n1 stopped"}', "not json", "[1]", ""], began=10.0)
    assert [(mark.at, mark.kind) for mark in marks] == [(0.0, "note"), (0.0, "note"), (2.5, "fault")]
    assert "not json" in marks[0].text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["walk"], 'unexpected argument "walk"; the actions of drill are run, mark, stop, report'),
        (["mark", "--out", "{empty}", "--text", "x"], "no drill runs in"),
        (["stop", "--out", "{empty}"], "no drill runs in"),
        (["report", "--out", "{empty}"], "no drill in"),
        (["mark", "--out", "{drill}"], "flag -text is missing"),
        (["mark", "--out", "{drill}", "--text", "x", "--kind", "y"], "must be one of fault, repair, note"),
        (["--out", "{drill}"], "holds a drill already"),
        (["--out", "{empty}", "--clients", "0", "--roaming", "0"], "nobody would ask anything"),
        (["--out", "{empty}", "--redisPassFile", "/nowhere"], 'cannot read "/nowhere"'),
        (["--address", "0.0.0.0:1"], "leads nowhere"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (tmp_path / "drill").mkdir()
    (tmp_path / "empty").mkdir()
    save(tmp_path / "drill", example())
    places = {"empty": str(tmp_path / "empty"), "drill": str(tmp_path / "drill")}
    assert cli.main(["drill", *(each.format(**places) for each in arguments)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_help_lists_actions_and_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drill", "--help"]) == 0
    said = capsys.readouterr().out
    for word in ("drill mark", "drill stop", "drill report", "--maxWriteGap", "--raftRedisMap", "--duration"):
        assert word in said
