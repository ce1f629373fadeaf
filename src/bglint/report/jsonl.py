"""`--output-format jsonl`: what `json` says, one object a line, each with its `type`; the summary comes last."""

from __future__ import annotations

import json

from bglint.model import Report
from bglint.report import json as whole

_TYPES = {
    "findings": "finding",
    "suppressed": "suppressed",
    "problems": "problem",
    "unfollowed": "unfollowed",
}


def render(report: Report) -> str:
    """One line for each finding, suppressed finding, problem and task that could not be followed."""
    content = json.loads(whole.render(report))
    objects = [{"type": kind, **entry} for name, kind in _TYPES.items() for entry in content[name]]
    objects.append({"type": "summary", "version": content["version"], **content["summary"]})
    return "".join(json.dumps(entry) + "\n" for entry in objects)
