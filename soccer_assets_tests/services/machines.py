"""What machines that share services come to, and how one is cut off."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg2

from benchmarks.machines import PATIENCE_SECONDS, Machine
from soccer_assets.settings import project_folder

#: Days of a small season, and its months.
DAYS, MONTHS = ("2024-08-01", "2025-03-16"), ("2024-08-01", "2025-03-01")


def wait_until(holds: Callable[[], Any], what: Callable[[], str], pause: float = 0.3) -> Any:
    """What ``holds`` gives once it gives something."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < until, what()
        time.sleep(pause)
    return found


def kill_whole(process: subprocess.Popen[bytes]) -> None:
    """A machine's worker with every process that it has started, as if the power were cut."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    os.killpg(process.pid, signal.SIGKILL)
    for member in family:  # what has left the group
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait(30)


@dataclass(frozen=True)
class Records:
    """What Dagster's storage and the warehouse say."""

    url: str

    def query(self, statement: str, *values: Any) -> list[Any]:
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def newest_run(self, job: str) -> str | None:
        found = self.query(
            "SELECT run_id FROM runs WHERE pipeline_name = %s ORDER BY id DESC LIMIT 1", job
        )
        return str(found[0][0]) if found else None

    def status(self, run: str) -> str:
        return str(self.query("SELECT status FROM runs WHERE run_id = %s", run)[0][0])

    def times(self, run: str, event: str) -> Counter[str]:
        """Step -> how often such an event of it is on record."""
        found = self.query(
            "SELECT step_key FROM event_logs WHERE run_id = %s AND dagster_event_type = %s",
            run,
            event,
        )
        return Counter(str(step) for (step,) in found)

    def worker_of(self, run: str, step: str) -> str | None:
        """The name of the step worker that began a step last."""
        found = self.query(
            "SELECT event FROM event_logs WHERE run_id = %s AND step_key = %s"
            " AND event LIKE '%%in celery worker%%' ORDER BY id DESC LIMIT 1",
            run,
            step,
        )
        if not found:
            return None
        event = json.loads(found[0][0])["dagster_event"]["event_specific_data"]
        (entry,) = [e for e in event["metadata_entries"] if e["label"] == "Celery worker"]
        return str(entry["entry_data"]["text"]).partition("@")[0]


#: Told by a process with the settings of a world, as JSON.
_OUTCOME = """
import json
from soccer_assets.integrations.revisions import REVISION
from soccer_assets.resources import make_resources
from soccer_assets.runner import open_instance
from soccer_assets.settings import get_settings
from soccer_assets.warehouse.connection import get_engine
import dagster as dg
import sqlalchemy as sa

FEATURES = {"data/features", "data/feature_states", "data/features_meta.json", "data/dataset"}
settings = get_settings()
resources = make_resources(settings)
registry = resources["registry"].registry
champion = registry.champion()
training = registry.training(champion)
with open_instance() as instance:
    revisions = {
        key.to_user_string(): str(event.asset_materialization.metadata[REVISION].value)
        for key in map(dg.AssetKey, ("finished", "fixtures", "features", "feature_states",
                                     "features_meta", "dataset"))
        if (event := instance.get_latest_materialization_event(key))
    }
made = resources["dvc"].at(revisions["dataset"]).revision
tables = {}
with get_engine(settings).connect() as connection:
    for table, columns in {
        "match": "match_id, content_hash",
        "match_raw": "match_id, content_hash",
        "prediction": "match_id, p_home, p_draw, p_away, model_version",
        "promotion": "promotion_id, kind, from_version, to_version",
    }.items():
        rows = connection.execute(sa.text(f"SELECT {columns} FROM soccer.{table} ORDER BY 1"))
        tables[table] = [list(map(str, row)) for row in rows]
from mlflow.tracking import MlflowClient
client = MlflowClient(settings.tracking_uri)
runs = client.search_runs([client.get_experiment_by_name("soccer_assets").experiment_id])
told = json.dumps({
    "champion": champion.number,
    "versions": [int(version.version) for version in client.search_model_versions()],
    "metrics": {k: v for k, v in sorted(training.metrics.items())},
    # What they are made of, finished matches and fixtures, says when they were first seen.
    "features": {path: out for path, out in made.outs.items() if path in FEATURES},
    "tables": tables,
    "mlflow_runs": sorted(run.info.status for run in runs),
}, default=str)
print("OUTCOME" + told)
"""


def outcome(machine: Machine) -> dict[str, Any]:
    """What a whole graph has come to: champion, scores, hashes of the features, rows of the tables."""
    told = subprocess.run(
        [sys.executable, "-c", _OUTCOME],
        env=machine.environment,
        cwd=project_folder(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr[-4000:]
    found: dict[str, Any] = json.loads(told.stdout.rpartition("OUTCOME")[2])
    return found
