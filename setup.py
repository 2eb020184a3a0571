"""Only what pyproject.toml cannot say."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithDagsterFiles(build_py):
    """Beside the package comes what makes Dagster's commands know it, see dagster_command; and, as
    a wheel has no checkout beside it, in the package the files that configure Dagster."""

    def run(self) -> None:
        super().run()
        packages = Path(self.build_lib)
        if self.editable_mode:
            packages = Path(self.get_finalized_command("install").install_lib)
        else:
            for name in ("dagster.yaml", "workspace.yaml"):
                shutil.copyfile(name, packages / "soccer_assets" / name)
        shutil.copy("soccer_assets.pth", packages)


setup(cmdclass={"build_py": BuildWithDagsterFiles})
