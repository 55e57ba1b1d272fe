"""The registered model as MLflow loads it: from code and arrays, without pickle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PythonModel

from tidegate.errors import UserError
from tidegate.forecasting.forecaster import Forecaster
from tidegate.forecasting.request import read_request


class BadRequest(MlflowException):
    """A request that cannot be answered: status 400, and one sentence that says why."""

    def __init__(self, sentence: str) -> None:
        """Set the sentence."""
        super().__init__(sentence, BAD_REQUEST)

    @property
    def message(self) -> str:
        """The sentence."""
        sentence: str = self.__dict__["message"]
        return sentence

    @message.setter
    def message(self, text: str) -> None:
        # MLflow's server would put a copy of the caller's rows before it: the first text stands.
        self.__dict__.setdefault("message", text)


class Served(PythonModel):
    """A forecaster as an MLflow model: takes a long frame of recent measurements, gives one of forecasts, in UTC."""

    def load_context(self, context: Any) -> None:
        """Load the model and the spec of its windows from the files of the registered version."""
        self.forecaster = Forecaster.load(Path(context.artifacts["model"]), Path(context.artifacts["spec"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Forecast from rows in any form that `read_request` takes.

        Raises:
            BadRequest: the rows cannot be used.
        """
        try:
            return self.forecaster.forecast(read_request(model_input, self.forecaster.spec.stations))
        except UserError as error:
            raise BadRequest(str(error)) from None
