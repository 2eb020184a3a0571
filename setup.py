"""Only what pyproject.toml cannot say."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithDagsterFiles(build_py):
    """A wheel has no checkout beside it: the files that configure Dagster come in the package."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in ("dagster.yaml", "workspace.yaml"):
                shutil.copyfile(name, Path(self.build_lib, "soccer_assets", name))


setup(cmdclass={"build_py": BuildWithDagsterFiles})
