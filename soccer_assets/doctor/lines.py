"""Every line of the report: what it says, and what to do when it is wrong."""

from typing import NamedTuple

#: Of assets, in the order that data flows through them; a line each.
GROUPS = (
    "ingestion",
    "warehouse",
    "lake",
    "features",
    "model",
    "registry",
    "serving",
    "monitoring",
)


class About(NamedTuple):
    """What holds of a line, whatever is found."""

    means: str
    do: str
    """When it is wrong."""


LINES: dict[str, About] = {
    "settings": About(
        "Whether the environment and `.env` can be understood, and `SOCCER_HOME` be written to.",
        "Mend the variable that is named; `.env.example` has all of them with an example each.",
    ),
    "parameters": About(
        "Whether the file of parameters can be read and every value in it can be.",
        "Mend the value that is named, in the file that `SOCCER_PARAMS` names or the package's own.",
    ),
    "packages": About(
        "Whether the installed packages are those that this version asks for.",
        "`pip install --no-deps -r requirements.lock` in this environment, or a new image.",
    ),
    "git": About(
        "Whether git is on the PATH: DVC's workspace is a repository.",
        "Install git. Without it no features are made, and so no predictions.",
    ),
    "disk": About(
        "Whether 2 GiB are free at `SOCCER_HOME`: a training with its data takes about as much.",
        "Make room, or give the volume more. A full disk fails runs and breaks nothing.",
    ),
    "database": About(
        "Whether PostgreSQL answers, lets this user in and lets it write.",
        "Start the server, or mend `POSTGRES_URL`. Workers answer from what they keep meanwhile.",
    ),
    "lake": About(
        "Whether the folder or the bucket of the lake answers, and its manifest can be read.",
        "Mend `LAKE_URI`, `S3_ENDPOINT_URL` or the `AWS_*` variables, or start the object store.",
    ),
    "mlflow": About(
        "Whether MLflow answers, and lets this user in.",
        "Start the server, or mend `MLFLOW_TRACKING_URI`. What is served stays as it is meanwhile.",
    ),
    "feed": About(
        "Whether the site of livescores answers at all, and by what clock.",
        "Wait, or mend the settings of the source. Days that are missed are asked for again.",
    ),
    "slack": About(
        "Whether Slack answers and takes the token.",
        "Make a new token for `SLACK_BOT_TOKEN`, or wait. No alert is lost meanwhile.",
    ),
    "broker": About(
        "Whether the broker that steps and reloads are asked for over answers and lets this user in; "
        "with `SOCCER_EXECUTOR=celery` also whether a step worker answers on it.",
        "Start the broker, or mend `SOCCER_CELERY_BROKER`; runs and reloads wait for it. Without a "
        "step worker: `soccer step-worker` on any machine.",
    ),
    "database schema": About(
        "Whether the tables are those of this version.",
        "Behind: start any process of this version, it migrates. Ahead: this process is the old "
        "one, upgrade it.",
    ),
    "database clock": About(
        "Whether the server's clock and this machine's agree within five minutes.",
        "Have both set by NTP, then restart the daemon, which keeps its next times in memory.",
    ),
    "dagster": About(
        "Whether Dagster's own tables are those of its version, and the definitions load.",
        "Tables behind: `dagster instance migrate`, with all processes stopped. Definitions: "
        "`dagster definitions validate` shows the stack.",
    ),
    "daemon": About(
        "Whether the daemon gives signs of life. Without it nothing is asked for by itself, and "
        "nobody is told.",
        "Start `dagster-daemon run` (or `dagster dev`) again; its log says why it went.",
    ),
    "sensors": About(
        "Whether somebody has stopped a sensor or a schedule that is to run.",
        "Start it again, on the page Automation of the UI, unless it was stopped for a reason that "
        "still holds.",
    ),
    "pools": About(
        "Whether a slot of a pool is held by a run that is over: others wait for it.",
        "Wait for half a minute with the daemon running. If it stays: the page Deployment, "
        "Concurrency of the UI frees it.",
    ),
    "days": About(
        "Whether past days of the feed were not brought in, a day after they had settled.",
        "See the runs of the sensor `catch_up`: the source refuses the day, or is away. "
        "`soccer backfill --since DAY` asks at once.",
    ),
    "assets": About(
        "A line a group: whether all of it was made, none of it is older than its freshness policy "
        "allows, and when the newest and the oldest were made.",
        "Never made: its page in the UI says what it waits for. Too old: see the line `daemon`, "
        "then failed runs, then the last tick of the sensor `updates`.",
    ),
    "alerts": About(
        "Whether a trouble is open that is an error; the worst three are named.",
        "`soccer alerts --open` lists all of them; each kind has its section above.",
    ),
    "delivery": About(
        "Whether an alert has waited for half an hour to be told.",
        "See the lines `daemon`, `sensors` and `slack`. Refused: the bot is not in a channel of "
        "`alerting.channels`. `soccer alerts` lists what waits.",
    ),
    "ledger": About(
        "Whether the ledger's days are closed, and the manifest of the last one is in the lake, as "
        "it was when the day was closed.",
        "Behind: materialize `ledger`. Gone: the same. Changed: `soccer ledger verify`, then find "
        "out who writes to the lake.",
    ),
    "champion": About(
        "Whether a version is champion, and the predictions that are published are its own.",
        "None: the job `retrain`, then the verdicts of the gates. Others' predictions: the job "
        "`refresh`.",
    ),
    "promotion": About(
        "Whether MLflow's champion is the one on record, and whether a version waits for a "
        "sign-off; wrong when it has waited for seven days.",
        "Not on record: somebody has moved the alias, and the daemon is away. Waits: `soccer "
        "approve VERSION` or `soccer reject VERSION --why ...`.",
    ),
    "workers": About(
        "Whether each prediction worker is ready, and serves what was published last.",
        "Away: start it. Not ready: it says why, old predictions mostly. Another version: "
        "materialize `serving_workers`.",
    ),
}
