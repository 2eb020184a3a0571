"""How long what Dagster records is kept."""

from datetime import timedelta

from pydantic import ConfigDict, Field

from soccer_assets.bounds import Count, Days, Hours, Minutes, Section


class MaintenanceParams(Section):
    """Retention of Dagster's storage, immutable; unknown keys raise ``ValidationError``.

    Whatever its age, what decides or is decided by stays: see ``docs/storage.md``. Ticks are kept as
    long as ``retention`` in ``dagster.yaml`` says, by Dagster itself.
    """

    model_config = ConfigDict(frozen=True)

    run_days: Days = Field(default=30, ge=2)
    """Runs that have ended, their logs, and materializations that newer ones have replaced: longer than
    the longest pause between two trainings, so that whatever failed before one can be read after it."""
    check_days: Days = Field(default=30, ge=1)
    """Evaluations of checks that newer ones have replaced: a report's trend over a month is in the UI,
    over years in the reports' own metadata and in MLflow."""
    printed_days: Days = Field(default=14, ge=1)
    """What steps printed. It is read while a fault is fresh; errors are in the runs' logs as well."""
    planned_hours: Hours = Field(default=1, ge=0)
    """What a run that has ended had planned, partition by partition. The day that failed and was not
    made since stays planned: it is how Dagster knows that it failed."""
    revision_days: Days = Field(default=14, ge=1)
    """Revisions of the features that no registered model was trained on and nothing reads any more, and
    what they alone consist of, where ``soccer gc`` removes them: long enough to look at what was served
    before a fault that was noticed late."""
    statement_rows: Count = Field(default=5000, ge=1)
    """Rows that one statement removes, so that none holds its locks for longer than a moment."""
    max_minutes: Minutes = Field(default=30, gt=0)
    """Then what is left waits for the next day, as it would after a kill."""

    @property
    def run_age(self) -> timedelta:
        return timedelta(days=self.run_days)

    @property
    def check_age(self) -> timedelta:
        return timedelta(days=self.check_days)

    @property
    def printed_age(self) -> timedelta:
        return timedelta(days=self.printed_days)

    @property
    def planned_age(self) -> timedelta:
        return timedelta(hours=self.planned_hours)
