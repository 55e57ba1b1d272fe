"""The registered model, as MLflow loads it: code and arrays, no pickle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from tidegate.forecasting.forecaster import Forecaster


class Served(PythonModel):
    """Long frame of recent measurements in, long frame of forecasts out; times are UTC."""

    def load_context(self, context: Any) -> None:
        """Read the model and the spec of its windows from the version's own files."""
        self.forecaster = Forecaster.load(Path(context.artifacts["model"]), Path(context.artifacts["spec"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Forecast. Times may be text, or dates with a zone or without one, which then mean UTC."""
        recent = model_input.assign(time=pd.to_datetime(model_input["time"], utc=True))
        return self.forecaster.forecast(recent)


set_model(Served())
