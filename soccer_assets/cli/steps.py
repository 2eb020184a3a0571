"""The command that executes steps for runs of other machines."""

from typing import Annotated

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.settings import get_settings

#: Those of ``dagster-celery``, and of features and trainings.
QUEUES = "dagster,heavy"


@app.command("step-worker")
def step_worker(
    queues: Annotated[
        str, typer.Option(help="Take steps from these; heavy: features and trainings.")
    ] = QUEUES,
    processes: Annotated[int, typer.Option(help="Steps at once.", min=1, max=64)] = 1,
    name: Annotated[
        str, typer.Option(help="Of this worker, unlike all others; %h: this machine.")
    ] = "steps@%h",
) -> None:
    """Execute steps of runs, with SOCCER_EXECUTOR=celery, on as many machines as you like.

    A step whose worker dies is given to another. To end it, SIGTERM: it finishes what it has begun.
    """
    settings = get_settings()
    if settings.soccer_executor != "celery":
        raise WrongUse(f"step-worker: SOCCER_EXECUTOR is {settings.soccer_executor}, not celery")
    taken = [queue.strip() for queue in queues.split(",") if queue.strip()]
    if not taken:
        raise WrongUse("step-worker: --queues is empty")
    from soccer_assets.engines.celery_worker import work

    console.print(f"Takes steps from {', '.join(taken)}", highlight=False, markup=False)
    work(settings, name if "@" in name else f"{name}@%h", taken, processes)
