"""A Docker engine that answers: left alone where one runs, started where it does not, installed where there is none.

    python images/dockerd.py [start|stop|status]

`make image` calls this first, so that a fresh machine needs no preparation. What is done is said
before it is done, and only root on a system with apt gets something installed: Debian's own package, docker.io.

Where systemd runs, it is asked to start its docker.service. Where there is no init system (a container, a minimal VM)
dockerd is started here, in a session of its own, so that it outlives this program; its output goes to
build/dockerd.log. `stop` ends only such a dockerd, never one that somebody else started.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build"
LOG = BUILD / "dockerd.log"
STARTED = BUILD / "dockerd.started"
"""PID and start time of the dockerd that was started here: together a name that is never given twice."""

WAIT_SECONDS = 60.0
STOP_SECONDS = 30.0


class NoDocker(Exception):
    """No engine answers and none can be had. The text says what to do."""


def say(text: str) -> None:
    sys.stderr.write(f"docker: {text}\n")
    sys.stderr.flush()


def answer(timeout: float = 20.0) -> str:
    """The engine's version; empty when none answers."""
    if shutil.which("docker") is None:
        return ""
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def ensure() -> str:
    """The version of an engine that answers. Raises NoDocker."""
    if version := answer():
        return version
    if host := os.environ.get("DOCKER_HOST"):
        raise NoDocker(f"nothing answers at DOCKER_HOST={host}; unset it to use this machine's own engine")
    if os.geteuid() != 0:
        raise NoDocker("no engine answers; start it, add yourself to the group docker, or run this as root")
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        apt_install("docker.io")
    if Path("/run/systemd/system").is_dir():
        say("starting docker.service")
        subprocess.run(["systemctl", "start", "docker"], check=False, stdin=subprocess.DEVNULL, timeout=WAIT_SECONDS)
        process = None
    else:
        process = _start()
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if version := answer():
            say(f"engine {version} answers")
            return version
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.2)
    where = LOG if process is not None else "journalctl -u docker"
    raise NoDocker(f"the engine does not answer; its last words ({where}):\n{_tail()}")


def apt_install(*packages: str) -> None:
    """Debian packages, when this is a system on which we may. Raises NoDocker, with the packages' names."""
    wanted = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoDocker(f"please install {wanted}")
    say(f"installing with apt-get: {wanted}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    for command in (install, ["apt-get", "update", "-q"], install):
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        if command is install and done.returncode == 0:
            return
    raise NoDocker(f"apt-get could not install {wanted}:\n{done.stdout.decode(errors='replace')[-2000:]}")


def _start() -> subprocess.Popen[bytes]:
    BUILD.mkdir(exist_ok=True)
    say(f"no init system here: starting dockerd, its log is {LOG}")
    with LOG.open("ab") as log:
        process = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
        )
    STARTED.write_text(f"{process.pid} {_start_time(process.pid)}\n")
    return process


def _start_time(pid: int) -> str:
    """In clock ticks since boot; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _ours() -> int | None:
    """The dockerd that was started here, while it runs."""
    try:
        pid, started = STARTED.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _start_time(int(pid)) == started else None


def _tail(lines: int = 15) -> str:
    return "\n".join(LOG.read_text(errors="replace").splitlines()[-lines:]) if LOG.exists() else ""


def stop() -> str:
    """End the dockerd that was started here, and with it the containers that it runs."""
    pid = _ours()
    if pid is None:
        return "no dockerd of ours is running"
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _ours() is not None:
        if time.monotonic() > deadline:
            raise NoDocker(f"dockerd ({pid}) does not end")
        time.sleep(0.1)
    STARTED.unlink(missing_ok=True)
    return f"dockerd ({pid}) has ended"


def main() -> int:
    parser = argparse.ArgumentParser(prog="dockerd.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", nargs="?", choices=["start", "stop", "status"], default="start")
    try:
        match parser.parse_args().action:
            case "start":
                ensure()
            case "stop":
                say(stop())
            case _:
                version = answer()
                say(f"engine {version} answers" if version else "no engine answers")
                return 0 if version else 1
    except NoDocker as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
