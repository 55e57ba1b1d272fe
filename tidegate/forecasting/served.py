"""The registered model as MLflow loads it: from code and arrays, without pickle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from tidegate.forecasting.forecaster import Forecaster


class Served(PythonModel):
    """A forecaster as an MLflow model: takes a long frame of recent measurements, gives one of forecasts, in UTC."""

    def load_context(self, context: Any) -> None:
        """Load the model and the spec of its windows from the files of the registered version."""
        self.forecaster = Forecaster.load(Path(context.artifacts["model"]), Path(context.artifacts["spec"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Forecast. Times may be text or timestamps, with or without a time zone; without one they are UTC."""
        recent = model_input.assign(time=pd.to_datetime(model_input["time"], utc=True))
        return self.forecaster.forecast(recent)


set_model(Served())
