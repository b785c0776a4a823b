"""Load what Ansible loads: filters and modules are files beside the playbooks, not a package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PROJECT = Path(__file__).resolve().parents[2]
PLAYBOOKS = PROJECT / "playbooks"


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def filters(name: str) -> ModuleType:
    return load(PLAYBOOKS / "filter_plugins" / f"{name}.py", f"tests_{name}")


def module(name: str) -> ModuleType:
    """A module, with the shared code where Ansible would have put it."""
    load(PLAYBOOKS / "module_utils" / "elastickv_admin.py", "ansible.module_utils.elastickv_admin")
    return load(PLAYBOOKS / "library" / f"{name}.py", f"tests_{name}")


def shared() -> ModuleType:
    return load(PLAYBOOKS / "module_utils" / "elastickv_admin.py", "ansible.module_utils.elastickv_admin")
