"""A "VM" of the guide: one shell on one loopback address, in which the guide's own command blocks run as they are.

What stands in for the machine is the smallest thing possible. `docker` is a shell function: `docker run … /app flags`
starts a node process with those very flags, `docker run … grpcurl …` runs grpcurl, `docker stop` and `docker rm -f`
send the signals that Docker sends. In the text of a block only two things are exchanged: the guide's network for
loopback, and /var/lib/elastickv for a directory of this VM, because all of them are on one machine.

Nodes are children of the VM's shell, and both end with the test run, however that ends.
"""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.kit.tools import program

_REPOSITORY = Path(__file__).resolve().parent.parent.parent

_DOCKER = r"""
docker() {
  case "$1 $2" in
    "pull "*) ;;
    "run -d")
      while [ "$1" != /app ]; do shift; done
      shift
      setpriv --pdeathsig KILL "$PYTHON" -m elastickv "$@" </dev/null >>"$VM/log" 2>&1 &
      container=$!
      echo "$container"
      ;;
    "run --rm")
      while [[ "$1" != *grpcurl* ]]; do shift; done
      shift
      "$GRPCURL" "$@"
      ;;
    "stop elastickv") kill -TERM "$container" && { wait "$container"; echo "$?" >"$VM/exit"; echo elastickv; } ;;
    "rm -f")
      [ -n "$container" ] && kill -KILL "$container" 2>/dev/null && { wait "$container" 2>/dev/null; echo elastickv; }
      ;;
    *) echo "docker: what is: $*" >&2; return 125 ;;
  esac
}
sudo() { "$@"; }
container=
"""


class GuideError(AssertionError):
    """A block did not end in time; the text shows what it printed and the node's log."""


class Vm:
    """Use as a context manager."""

    def __init__(self, root: Path, network: str, number: int) -> None:
        """`network` takes the place of the guide's "10.0.0."."""
        self.id = f"n{number}"
        self.ip = f"{network}{10 + number}"
        self.path = root / self.id
        self.path.mkdir(parents=True)
        self._network = network
        self._log = self.path / "log"
        words = {"VM": self.path, "PYTHON": sys.executable, "GRPCURL": program("grpcurl")}
        self._shell = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=_REPOSITORY,
            env={**os.environ, **{name: str(value) for name, value in words.items()}},
        )
        self.run(_DOCKER)

    def __enter__(self) -> Vm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        if self._shell.poll() is None:
            # Takes the node along: its parent's death is its own.
            self._shell.kill()
        self._shell.wait()
        self._shell.stdin.close()
        self._shell.stdout.close()

    def localized(self, block: str) -> str:
        return block.replace("10.0.0.", self._network).replace("/var/lib/elastickv", str(self.path / "data"))

    def run(self, block: str, timeout: float = 60.0) -> str:
        """Run a block of the guide in this VM's shell and return what it printed."""
        assert self._shell.stdin is not None
        script = "{ eval " + shlex.quote(self.localized(block)) + "\n} </dev/null\nprintf '\\n=== %d\\n' $?\n"
        self._shell.stdin.write(script.encode())
        self._shell.stdin.flush()
        return self._read_to_end(block, timeout)

    def _read_to_end(self, block: str, timeout: float) -> str:
        assert self._shell.stdout is not None
        deadline = time.monotonic() + timeout
        printed = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            while b"\n=== " not in printed or not printed.endswith(b"\n"):
                data = b""
                if selector.select(max(0.0, deadline - time.monotonic())):
                    data = os.read(self._shell.stdout.fileno(), 1 << 16)
                if not data:
                    raise GuideError(
                        f"{self.id}: not done in {timeout:g} s:\n{block}\n{printed.decode()}\n{self.log()}"
                    )
                printed += data
        return printed.rpartition(b"\n=== ")[0].decode().strip()

    @property
    def data_dir(self) -> Path:
        return self.path / "data"

    def exit_code(self) -> int:
        """Of the node that `docker stop` ended last."""
        return int((self.path / "exit").read_text())

    def log(self, lines: int = 40) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return f"--- log of {self.id}\n" + "\n".join(text.splitlines()[-lines:])
