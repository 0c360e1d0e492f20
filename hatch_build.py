"""Compiles the WBXML codec, on request only, from the same sources that the pure wheel carries.

``EMAILPLUS_COMPILE=1 pip install .`` (or ``python -m build``) gives a wheel for this Python and platform with the
compiled codec beside the Python one, which it takes precedence over. It needs Cython and a C compiler.
``python hatch_build.py FOLDER`` builds into FOLDER alone, for tests and measurements. Neither leaves anything in the
source tree, where a compiled module would shadow later edits.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

MODULE = "emailplus.eas.wbxml"
# What the compiled form replaces: the block between the two marks, and single lines that end in "# pure".
_PURE = re.compile(r"^# pure: begin\n.*?^# pure: end\n|^[^\n]*  # pure\n", re.MULTILINE | re.DOTALL)


def build(root: Path, target: Path) -> Path:
    """Compile the codec of the source tree `root`; the module lies under `target` as it does in the package."""
    from Cython.Build import cythonize
    from setuptools import Extension
    from setuptools.dist import Distribution

    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch, *MODULE.split("."))
        place.parent.mkdir(parents=True)
        for folder in (place.parent, place.parent.parent):
            (folder / "__init__.py").touch()
        source = root.joinpath(*MODULE.split("."))
        text = source.with_suffix(".py").read_text(encoding="utf-8")
        # Blank lines in place of what goes keep the line numbers of tracebacks right.
        text = _PURE.sub(lambda match: "\n" * match[0].count("\n"), text)
        place.with_suffix(".py").write_text(text, encoding="utf-8")
        shutil.copy(source.with_suffix(".pxd"), place.with_suffix(".pxd"))
        extensions = cythonize(
            [Extension(MODULE, [str(place.with_suffix(".py"))], extra_compile_args=["-O3", "-g0"])],
            include_path=[scratch],
            language_level=3,
            quiet=True,
            # Annotations are for readers and the type checker; the .pxd says what the compiler should know.
            compiler_directives={"annotation_typing": False, "wraparound": False},
        )
        command = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(target), scratch
        command.ensure_finalized()
        command.run()
    return target.joinpath(*MODULE.split(".")).with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a script, without the build backend
    pass
else:

    class AcceleratorHook(BuildHookInterface):  # type: ignore[type-arg]
        """Adds the compiled codec to the wheel where EMAILPLUS_COMPILE=1 asks for it."""

        def dependencies(self) -> list[str]:
            return ["cython>=3.1", "setuptools"] if _wanted() else []

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            if not _wanted() or self.target_name != "wheel":
                return
            if version == "editable":
                raise RuntimeError("EMAILPLUS_COMPILE=1 with an editable install: the module would go stale")
            self._scratch = tempfile.mkdtemp()
            module = build(Path(self.root), Path(self._scratch))
            build_data["force_include"][str(module)] = str(module.relative_to(self._scratch))
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

        def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
            shutil.rmtree(getattr(self, "_scratch", ""), ignore_errors=True)


def _wanted() -> bool:
    return os.environ.get("EMAILPLUS_COMPILE", "") not in ("", "0")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python hatch_build.py FOLDER")
    print(build(Path(__file__).resolve().parent, Path(sys.argv[1]).resolve()))
