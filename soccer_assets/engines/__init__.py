"""Who executes the steps of a run: ``SOCCER_EXECUTOR`` says it, and no asset knows.

What launches runs is another question, which ``dagster.yaml`` answers.
"""

from soccer_assets.engines.executors import make_executor

__all__ = ["make_executor"]
