"""The DVC pipeline: ``dvc.yaml``, ``params.yaml``, its stages and the workspace that runs them."""
