"""Whether the broker answers, over which steps and reloads are asked for, and who takes steps from it.

Nothing here imports Celery: its workers answer a mailbox of kombu's.
"""

from soccer_assets.doctor.finding import PATIENCE, Look, Wrong
from soccer_assets.settings import Settings, revealed
from soccer_assets.urls import shown

#: Seconds for a connection, and for step workers to answer: together less than the patience.
_TO_CONNECT, _TO_ANSWER = PATIENCE * 0.4, PATIENCE * 0.4


def look(settings: Settings) -> Look:
    if uses_broker(settings):
        # What is imported first while it is looked would be taken for a service that is slow.
        import soccer_assets.serving.reloading.mailbox  # noqa: F401
    return Look("broker", lambda: broker(settings))


def uses_broker(settings: Settings) -> bool:
    return "celery" in (settings.soccer_executor, settings.serving_reload)


def broker(settings: Settings) -> str:
    """Whether it lets this user in, and whether there is anybody to take steps if it is given any."""
    if not uses_broker(settings):
        return "none is used"
    from soccer_assets.serving.reloading import mailbox

    url = revealed(settings.soccer_celery_broker)
    with mailbox.connect(url, patience=_TO_CONNECT) as connection:
        try:
            connection.connect()
            if settings.soccer_executor != "celery":
                return f"{shown(url)} answers"
            asked = mailbox.mailbox(connection, mailbox.STEP_WORKERS)
            answers = asked.multi_call("ping", timeout=_TO_ANSWER)
        except mailbox.errors_of(connection) as error:
            raise Wrong(
                f"{shown(url)} does not answer, or does not let us in ({type(error).__name__})"
            ) from None
    names = sorted({str(name) for answer in answers for name in answer})
    if not names:
        raise Wrong(
            f"{shown(url)} answers, and no step worker does: soccer step-worker starts one, runs "
            "wait for it"
        )
    return f"{shown(url)}, steps are taken by {', '.join(names)}"
