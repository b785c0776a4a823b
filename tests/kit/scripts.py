"""Golden scripts: a text file tells a story, command by command, with the output that each one gave.

    # Words for the reader.
    command with arguments
    ----
    the output, which has no empty line

    next command
    ----
    ok

`run_script` executes the commands and compares. With ELASTICKV_REWRITE_SCRIPTS=1 in the environment it writes down what
came out instead, and the author reads the diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REWRITE = "ELASTICKV_REWRITE_SCRIPTS"


@dataclass
class Step:
    """`before` are comments and empty lines, kept as they are."""

    before: list[str]
    command: str
    output: list[str]
    line: int


def parse(text: str) -> tuple[list[Step], list[str]]:
    """The steps, and what stands after the last one."""
    lines = text.splitlines()
    steps: list[Step] = []
    before: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip() or line.startswith("#"):
            before.append(line)
            at += 1
            continue
        if at + 1 >= len(lines) or lines[at + 1] != "----":
            raise ValueError(f"line {at + 1}: a command is followed by ----")
        end = at + 2
        while end < len(lines) and lines[end].strip():
            end += 1
        steps.append(Step(before, line, lines[at + 2 : end], at + 1))
        before, at = [], end
    return steps, before


def run_script(path: Path, execute: Callable[[str], str]) -> None:
    """Run each command of the file and hold its output against what is written there."""
    steps, rest = parse(path.read_text())
    rewrite = bool(os.environ.get(REWRITE))
    for step in steps:
        output = execute(step.command).splitlines() or ["ok"]
        if any(not line.strip() for line in output):
            raise ValueError(f"{path.name}:{step.line}: output must not have empty lines")
        if rewrite:
            step.output = output
        else:
            assert output == step.output, (
                f"{path.name}:{step.line}: {step.command}\n"
                + "\n".join(["expected:", *step.output, "got:", *output])
                + f"\n({REWRITE}=1 writes it down)"
            )
    if rewrite:
        lines = [line for step in steps for line in [*step.before, step.command, "----", *step.output]]
        path.write_text("\n".join([*lines, *rest]) + "\n")
