"""The log bundle of a configuration that cannot be used (`exit_on_configuration_error` is false): what an
administrator needs to see what is wrong, secrets masked as everywhere."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Iterable, Mapping

from .. import __version__
from .problems import Problem

_README = """The configuration cannot be used.

problems.json  every problem: the key, its value (secrets masked), what is expected
versions.json  emailplus, Python and the system

There is no log here: nothing was started.
"""


def problem_bundle(problems: Iterable[Problem]) -> bytes:
    """A zip archive with the problems of a configuration and the versions at work."""
    listed = [problem.as_dict() for problem in problems]
    return archive({"README.txt": _README, "problems.json": as_json(listed), "versions.json": as_json(versions())})


def versions() -> dict[str, str]:
    """What is at work, without anything of this very machine."""
    return {
        "emailplus": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def as_json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of `files`, in their order."""
    import zipfile  # needs half a dozen modules, and only where something is wrong

    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return written.getvalue()
