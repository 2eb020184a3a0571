"""Training, calibration, scoring and gates of the 1X2 model, free of any orchestration."""

import os

# OpenMP's waiting threads spin by default, which costs LightGBM most of its speed as soon as
# another process wants the core. Read when the OpenMP library is loaded, so set before that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# MLflow tells its every step; what matters is said by the caller. Read when mlflow is imported.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
