"""The operations, one module each. Importing this package declares them all."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from elastickv.dynamodb_api.registry import OPERATIONS

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["OPERATIONS"]
