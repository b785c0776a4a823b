"""The scenarios once each, on machines that they make themselves; afterwards nothing of them is left.

Minutes each, and a Docker engine, so not among the unit tests: pytest -m molecule, or make molecule.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

pytestmark = [pytest.mark.molecule, pytest.mark.timeout(1800)]


def run(*command: str, timeout: float = 1700) -> tuple[int, str]:
    """Exit code and output. Molecule looks for Ansible's programs on the path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    environment |= {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "200",
                    "ANSIBLE_NOCOLOR": "1", "MOLECULE_COMMAND_BORDERS": "false"}  # fmt: skip
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=timeout, cwd=PROJECT, env=environment,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    code, output = run(sys.executable, str(PROJECT / "images" / "dockerd.py"), "start")
    if code and os.geteuid() != 0:
        pytest.skip(f"no Docker engine: {output.strip()}")
    assert code == 0, output


def left_over(scenario: str) -> list[str]:
    """Containers, networks and volumes by the name of the scenario."""
    names: list[str] = []
    for listing in (["ps", "--all"], ["network", "ls"], ["volume", "ls"]):
        form = "{{.Names}}" if listing[0] == "ps" else "{{.Name}}"
        code, output = run("docker", *listing, "--format", form, "--filter", f"name=molecule-{scenario}")
        assert code == 0, output
        names += output.split()
    return names


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Iterator[str]:
    name: str = request.param
    try:
        yield name
    finally:
        code, output = run(str(BIN / "molecule"), "destroy", "-s", name)
        assert code == 0, output
        assert left_over(name) == []


@pytest.mark.parametrize("scenario", ["default", "failover-5", "failover-4"], indirect=True)
def test_scenario(scenario: str) -> None:
    code, output = run(str(BIN / "molecule"), "test", "-s", scenario)
    print(output)  # noqa: T201  shown when the test fails
    assert code == 0, f"{scenario} ended with {code}"
    recap = re.findall(r"^\S+\s*: actions=.*$", output, re.MULTILINE)
    assert len(recap) == 1, recap
    assert re.search(r"\bmissing=0\b", recap[0]), recap
    assert re.search(r"\bfailed=0\b", recap[0]), recap
