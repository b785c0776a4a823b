"""Generate `elastickv/pb/` from the .proto files beside this one; run it from anywhere.

    python proto/generate.py            write the modules
    python proto/generate.py --check    say which ones are stale, missing or left over, and exit with 1

Each `proto/elastickv/pb/<name>.proto` becomes `elastickv/pb/<name>_pb2.py` and its `.pyi`. There are no `_pb2_grpc`
modules: services are registered with generic handlers and called with multicallables, so that nothing untyped is
imported. The modules are committed, so that installing Elastickv needs no compiler; `make check` runs `--check`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
PACKAGE = Path("elastickv") / "pb"
WELL_KNOWN_TYPES = Path(grpc_tools.__file__).parent / "_proto"


def generate(target: Path) -> dict[Path, bytes]:
    """Compile all .proto files into `target`; the result maps paths below it to contents."""
    (target / PACKAGE).mkdir(parents=True, exist_ok=True)
    protos = sorted(str(path.relative_to(SOURCES)) for path in (SOURCES / PACKAGE).glob("*.proto"))
    arguments = [
        "protoc",
        f"-I{SOURCES}",
        f"-I{WELL_KNOWN_TYPES}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        *protos,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")
    return {path.relative_to(target): path.read_bytes() for path in sorted((target / PACKAGE).glob("*_pb2.py*"))}


def main() -> int:
    parser = argparse.ArgumentParser(description="Generate elastickv/pb from proto/.")
    parser.add_argument("--check", action="store_true", help="compare only; exit with 1 when something differs")
    check: bool = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        wanted = generate(Path(scratch))
    present = {path.relative_to(ROOT): path.read_bytes() for path in (ROOT / PACKAGE).glob("*_pb2.py*")}
    differing = sorted(path for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path))
    for path in differing:
        print(f"{'stale' if check else 'written' if path in wanted else 'removed'}: {path}")
        if check:
            continue
        if path in wanted:
            (ROOT / path).write_bytes(wanted[path])
        else:
            (ROOT / path).unlink()
    return 1 if check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
