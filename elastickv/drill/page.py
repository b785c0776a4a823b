"""report.html: one file that needs nothing else, from the figures of a drill.

The frame is page.html beside this module; the figures are put into it as JSON, and its script draws them at the width
of the screen, so that a phone gets a chart of its own and not a shrunken one. Nothing in the figures can end the
script: what could is written as an escape.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_FIGURES = "{{figures}}"
_TITLE = "{{title}}"


def page(summary: Mapping[str, Any]) -> str:
    frame = files("elastickv.drill").joinpath("page.html").read_text(encoding="utf-8")
    data = json.dumps(summary, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")
    before, _, after = frame.partition(_FIGURES)
    return before.replace(_TITLE, html.escape(str(summary["title"]))) + data + after
