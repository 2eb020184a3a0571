"""What the heavy steps ask of the engines: of Kubernetes, whose executor gives each step a pod of its
own, its size; of Celery a queue of their own, which big machines listen to.

Everywhere else these tags are words that nobody reads.
"""

from typing import Any

#: The tags that ``dagster-k8s`` and ``dagster-celery`` read.
TAG = "dagster-k8s/config"
QUEUE_TAG = "dagster-celery/queue"
#: Of features and trainings; all else goes to dagster-celery's own.
HEAVY_QUEUE = "heavy"


def pod(cpu: str, memory: str) -> dict[str, Any]:
    """Tags of an asset whose step is promised as much, and ended if it takes more memory.

    Args:
        cpu: cores, in Kubernetes' words.
        memory: likewise. There is no limit on cores: what others leave idle may be used.
    """
    resources = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
    return {TAG: {"container_config": {"resources": resources}}}


def heavy(cpu: str, memory: str) -> dict[str, Any]:
    """Tags of a step that takes minutes of a whole machine: see ``pod``."""
    return {**pod(cpu, memory), QUEUE_TAG: HEAVY_QUEUE}


#: Loops over all matches, one process a stage.
FEATURES_TAGS = heavy("1", "4Gi")
#: Learners that use what cores there are, with the whole dataset in memory.
TRAINING_TAGS = heavy("2", "6Gi")
