"""The machine and the software that a run's numbers come from."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = (
    "pandas", "numpy", "pyarrow", "SQLAlchemy", "psycopg2-binary", "orjson", "httpx", "dagster",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """``load``: mean number of waiting processes in the minute before; beyond the cores, the
    absolute times are those of a busy machine."""

    cpu: str
    cores: int
    ram_gb: float
    system: str
    python: str
    postgresql: str
    packages: dict[str, str]
    load: float

    def __str__(self) -> str:
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.ram_gb:.0f} GB RAM, {self.system}; load at the "
            f"start {self.load:.1f}. Python {self.python}, PostgreSQL {self.postgresql} "
            f"(embedded, its default settings), {packages}."
        )


def describe(postgresql: str) -> Machine:
    """This machine, with the version of the server in use."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        ram_gb=psutil.virtual_memory().total / 1e9,
        system=platform.platform(terse=True),
        python=platform.python_version(),
        postgresql=postgresql.split()[0],
        packages={name: version(name) for name in PACKAGES},
        load=os.getloadavg()[0],
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
