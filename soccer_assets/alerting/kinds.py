"""Every kind of alert: how bad it is, whose it is, whether it ends, what it means, what to do."""

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """From what is good to know to what needs somebody; see ``rank``."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Kind(StrEnum):
    """Its name in the outbox, in parameters and in ``soccer alerts --kind``."""

    RUN_FAILED = "run_failed"
    RUN_SLOW = "run_slow"
    CHECK_FAILED = "check_failed"
    DAYS_OVERDUE = "days_overdue"
    PARITY_DIFFERS = "parity_differs"
    STALE = "stale"
    TICK_FAILED = "tick_failed"
    DAEMON_SILENT = "daemon_silent"
    NO_CHAMPION = "no_champion"
    TRAINING_IN_VAIN = "training_in_vain"
    RELOAD_FAILED = "reload_failed"
    RETRAIN_STARTED = "retrain_started"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    AWAITING = "awaiting"
    MOVED_BY_HAND = "moved_by_hand"
    DIGEST = "digest"


class About(NamedTuple):
    """What holds of all alerts of a kind."""

    severity: Severity
    """Of one that says no other."""
    owner: str
    """``platform``, ``data`` or ``model``: a channel can be given to each, or to a kind."""
    recovers: bool
    """Whether it lasts until it is over, which is told; else it is an event, told once."""
    means: str
    """With its key, which makes two alerts the same trouble."""
    ends: str
    """What closes it."""
    do: str


OWNERS = ("platform", "data", "model")
_NOTHING = "It is an event: nothing does."

KINDS: dict[Kind, About] = {
    Kind.RUN_FAILED: About(
        Severity.ERROR,
        "platform",
        True,
        "A run failed and is not tried again, or was in vain. Runs of a job that fail by the same "
        "cause, numbers and dates in it aside, are one trouble, with the partitions it has left.",
        "The steps that failed go through, for each partition; or it is not seen for "
        "`forget_days`.",
        "Follow the link. Feed, database, lake or MLflow away: it is tried again, wait. A fault "
        "of content or a bug: mend it, then start the run again from its page.",
    ),
    Kind.RUN_SLOW: About(
        Severity.WARNING,
        "platform",
        True,
        "A run takes `slow_factor` times the median of its like, and over `slow_minutes`.",
        "The run ends.",
        "See in the UI which step waits, and for whom; every job has a limit on time.",
    ),
    Kind.CHECK_FAILED: About(
        Severity.ERROR,
        "data",
        True,
        "A check of an asset failed. It says what it found, and what has changed since it was "
        "told last. As a warning it stops nothing; shift, decay and volume ask for a training.",
        "The check passes.",
        "Read what it found. A blocking check keeps everything behind its asset as it was.",
    ),
    Kind.DAYS_OVERDUE: About(
        Severity.WARNING,
        "data",
        True,
        "Past days of the feed that nobody brought in since they settled.",
        "The check `no_day_overdue` passes.",
        "The sensor `catch_up` asks for them. If one stays, see its run: the source refuses it.",
    ),
    Kind.PARITY_DIFFERS: About(
        Severity.ERROR,
        "data",
        True,
        "Months of the lake are not what the database holds, also after they were exported again "
        "once. Months of `match` and what is beside it stop what is made from the lake; months of "
        "`match_raw`, which nothing is made from, stop nothing and are a warning.",
        "The check `parity_with_postgres` passes.",
        "The month and its figures are in the alert. A file that cannot be read: see the store. "
        "Other figures: somebody wrote into the database; once it is right, materialize the month "
        "of `match_parquet`.",
    ),
    Kind.STALE: About(
        Severity.ERROR,
        "platform",
        True,
        "An asset is older than its policy allows. What is stale because of it is named with it "
        "and has no alert of its own.",
        "Its freshness passes.",
        "See why nothing makes it: a failed run, a check upstream, a daemon that is down; "
        "`updates` says in its last tick what waits for what.",
    ),
    Kind.TICK_FAILED: About(
        Severity.ERROR,
        "platform",
        True,
        "A sensor or a schedule fails at its ticks.",
        "Its next tick goes through.",
        "Its page in the UI has the stack. Until it is mended, what it asks for is not asked for.",
    ),
    Kind.DAEMON_SILENT: About(
        Severity.ERROR,
        "platform",
        True,
        "A part of Dagster's daemon has given no sign of life for `heartbeat_minutes`; of the "
        "sensors' own part, which would have to tell it, it is told when it is back.",
        "It gives one.",
        "Start `dagster-daemon run` again; its log says why it went.",
    ),
    Kind.NO_CHAMPION: About(
        Severity.WARNING,
        "model",
        True,
        "There are features since `no_champion_hours`, and no version is champion: nothing is "
        "predicted.",
        "A version is made champion.",
        "See the verdicts of the gates on `candidate_model` and `champion_model`, or why "
        "`trained_model` was not made.",
    ),
    Kind.TRAINING_IN_VAIN: About(
        Severity.WARNING,
        "model",
        True,
        "Trainings in a row came to nothing: they failed, were refused, or what asked for them asks "
        "still. The next one waits, each time twice as long.",
        "A training cures what asks for it, or nothing asks any more.",
        "The reasons are in the alert. Refused ones: see the verdicts of the gates on "
        "`candidate_model` and `champion_model`; failed ones: their runs. A reason that no training "
        "cures (a league's feed is wrong, say) is to be cured where it is.",
    ),
    Kind.RELOAD_FAILED: About(
        Severity.ERROR,
        "model",
        True,
        "A worker did not take the newest predictions, or does not serve the champion.",
        "`serving_workers` is made.",
        "See the worker's log and its `/readyz`; then materialize `serving_workers`.",
    ),
    Kind.RETRAIN_STARTED: About(
        Severity.INFO, "model", False, "A training has begun, and why.", _NOTHING, "Nothing."
    ),
    Kind.PROMOTED: About(
        Severity.INFO,
        "model",
        False,
        "A version has become champion, with the figures of its gate.",
        _NOTHING,
        "Nothing.",
    ),
    Kind.REJECTED: About(
        Severity.INFO,
        "model",
        False,
        "A gate stayed shut for a version, with what it lacks. The champion stays.",
        _NOTHING,
        "Nothing, unless it goes on for months.",
    ),
    Kind.ROLLED_BACK: About(
        Severity.ERROR,
        "model",
        False,
        "The champion was worse than its predecessor, which serves again.",
        _NOTHING,
        "Look for what the fallen version was trained on.",
    ),
    Kind.AWAITING: About(
        Severity.WARNING,
        "model",
        False,
        "A version has passed every gate and waits for a person, as `REQUIRE_SIGN_OFF` asks.",
        _NOTHING,
        "`soccer approve VERSION` or `soccer reject VERSION --why ...`, or the jobs in the UI.",
    ),
    Kind.MOVED_BY_HAND: About(
        Severity.WARNING,
        "model",
        False,
        "The alias `champion` was moved in MLflow, past the gates. Predictions and workers follow it.",
        _NOTHING,
        "If nobody of yours did: `soccer rollback --why ...`.",
    ),
    Kind.DIGEST: About(
        Severity.INFO,
        "model",
        False,
        "Once a day: matches predicted, yesterday's scores, what is open.",
        _NOTHING,
        "Nothing.",
    ),
}
