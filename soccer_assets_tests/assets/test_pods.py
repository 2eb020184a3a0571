"""What the heavy steps ask of Kubernetes."""

import json

import pytest

from soccer_assets.assets.pods import TAG
from soccer_assets.definitions import defs


@pytest.mark.parametrize("job", ["refresh", "retrain"])
def test_features_and_trainings_and_they_alone_ask_for_pods_of_their_size(job: str) -> None:
    asked = {}
    for node in defs.resolve_job_def(job).graph.nodes:
        if tag := node.definition.tags.get(TAG):
            asked[node.name] = json.loads(tag)["container_config"]["resources"]
    heavy = {"dvc_outs"} | ({"trained_model"} if job == "retrain" else set())
    assert asked.keys() == heavy
    for resources in asked.values():
        assert resources["requests"].keys() == {"cpu", "memory"}
        # No limit on cores: it would slow a step down beside an idle machine.
        assert resources["limits"] == {"memory": resources["requests"]["memory"]}
