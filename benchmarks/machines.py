"""Machines that share services and nothing else: each has a home of its own."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import BIN, end
from soccer_assets.settings import Settings, project_folder

#: For a machine that does ten things at once.
PATIENCE_SECONDS = 900.0


@dataclass
class Machine:
    """Runs commands of this environment with a home of its own and nothing of the caller's settings."""

    home: Path
    settings: Mapping[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        ours = {"DAGSTER_HOME", *(name.upper() for name in Settings.model_fields)}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        return {**kept, **self.settings, "SOCCER_HOME": str(self.home)}

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A process with a group of its own; what it prints is in ``log``."""
        with self.log.open("ab") as printed:
            process = subprocess.Popen(
                [str(BIN / program), *arguments],
                stdout=printed,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                cwd=project_folder(),
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, program: str, *arguments: str, seconds: float = PATIENCE_SECONDS) -> None:
        self.finish(self.start(program, *arguments), seconds)

    def finish(self, process: subprocess.Popen[bytes], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for its end, which has to be a good one."""
        code = process.wait(seconds)
        assert code == 0, self.log.read_text(errors="replace")[-6000:]

    def job(self, name: str, *days: str) -> subprocess.Popen[bytes]:
        """Start a run of a job, over a range of its partitions."""
        ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        tags = json.dumps(dict(zip(ends, days, strict=True))) if days else "{}"
        return self.start("dagster", "job", "execute", "-j", name, "--tags", tags)

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                end(process)

    def files(self) -> set[str]:
        """What is kept below the home."""
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}
