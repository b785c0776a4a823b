"""What a scenario begins with: the image of a machine, the node's image and an archive of it.

    python molecule/node/make.py [--archive]

Called by shared/create.yml; says as JSON on standard output what the things are called. Everything is found again by
its inputs, so only the first scenario waits. The names begin with molecule-, and the node's image is tagged apart from
the one of `make image`, so a scenario never takes an image from under somebody's cluster.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "images"))

# A directory build/, which comes and goes, would change what kind of module `build` is, and so the order.
# isort: off
import build  # noqa: E402  images/build.py
import dockerd  # noqa: E402  images/dockerd.py
# isort: on

MACHINE = "molecule-node:bookworm"
NODE = "molecule-elastickv:built"
ARCHIVE = ROOT / "build" / "molecule" / "image"
LOCK = ROOT / "build" / "molecule" / "lock"


def machine() -> None:
    base = build.run("docker", "image", "inspect", "--format", "{{.Id}}", build.BASE).strip()
    files = [HERE / "Dockerfile", HERE / "init.sh"]
    inputs = build.digest(base.encode(), *(file.read_bytes() for file in files))
    if build.inputs_of(MACHINE).strip() == inputs:
        build.say(f"{MACHINE} is up to date")
        return
    build.say(f"making {MACHINE}, with Debian's packages")
    with tempfile.TemporaryDirectory(prefix="elastickv-machine-") as context:
        shutil.copy2(HERE / "init.sh", context)
        build.docker_build(HERE / "Dockerfile", [MACHINE], Path(context), inputs, BASE=build.BASE)


def archive() -> Path:
    """The archive of the node's image; written again only when that is another one."""
    identity = build.run("docker", "image", "inspect", "--format", "{{.Id}}", NODE).strip()
    mark = ARCHIVE / "ID"
    if mark.exists() and mark.read_text() == identity:
        return next(ARCHIVE.glob("*.tar.gz"))
    shutil.rmtree(ARCHIVE, ignore_errors=True)
    path = build.save(ARCHIVE, [NODE])
    mark.write_text(identity)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="make.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--archive", action="store_true", help="also write build/molecule/image")
    arguments = parser.parse_args()
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    lock = LOCK.open("w")  # kept until the end of the process: scenarios may begin at the same time
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        dockerd.ensure()
        for program, package in (("ssh", "openssh-client"), ("openssl", "openssl")):
            if shutil.which(program) is None:
                dockerd.apt_install(package)
        build.make_base("auto", fresh=False)
        machine()
        build.fetch_wheels()
        build.make_image([NODE])
        made = {"machine": MACHINE, "node": NODE, "archive": str(archive()) if arguments.archive else ""}
    except (build.BuildError, dockerd.NoDocker, subprocess.TimeoutExpired) as error:
        build.say(str(error))
        return 1
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
