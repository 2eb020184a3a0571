"""What the heavy steps ask of Kubernetes, where its executor gives each step a pod of its own.

Everywhere else these tags are words that nobody reads.
"""

from typing import Any

#: The tag that ``dagster-k8s`` reads.
TAG = "dagster-k8s/config"


def pod(cpu: str, memory: str) -> dict[str, Any]:
    """Tags of an asset whose step is promised as much, and ended if it takes more memory.

    Args:
        cpu: cores, in Kubernetes' words.
        memory: likewise. There is no limit on cores: what others leave idle may be used.
    """
    resources = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
    return {TAG: {"container_config": {"resources": resources}}}


#: Loops over all matches, one process a stage.
FEATURES_POD = pod("1", "4Gi")
#: Learners that use what cores there are, with the whole dataset in memory.
TRAINING_POD = pod("2", "6Gi")
