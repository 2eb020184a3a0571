"""The MLflow flavour of an ``OutcomeModel``. Import it lazily: it imports mlflow."""

from typing import Any

import pandas as pd
from mlflow.pyfunc.model import PythonModel

from soccer_assets.modelling.holdout import PROBABILITY_COLUMNS
from soccer_assets.modelling.model import OutcomeModel


class OutcomePyfunc(PythonModel):
    """``predict(features) -> DataFrame(p_home, p_draw, p_away)``."""

    def __init__(self, model: OutcomeModel) -> None:
        self.model = model

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        return pd.DataFrame(
            self.model.predict_proba(model_input),
            columns=PROBABILITY_COLUMNS,
            index=model_input.index,
        )
