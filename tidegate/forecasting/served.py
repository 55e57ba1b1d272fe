"""The registered model as MLflow loads it: from code and arrays, without pickle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PythonModel

from tidegate.errors import DataError, UserError
from tidegate.forecasting.forecaster import Forecaster
from tidegate.sources.cells import read_database_times


class Served(PythonModel):
    """A forecaster as an MLflow model: takes a long frame of recent measurements, gives one of forecasts, in UTC."""

    def load_context(self, context: Any) -> None:
        """Load the model and the spec of its windows from the files of the registered version."""
        self.forecaster = Forecaster.load(Path(context.artifacts["model"]), Path(context.artifacts["spec"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Forecast. Times may be ISO text or timestamps, with or without a time zone; without one they are UTC.

        Raises:
            MlflowException: the rows cannot be used, with status 400 and a sentence that says why.
        """
        try:
            return self.forecaster.forecast(model_input.assign(time=_times(model_input["time"])))
        except UserError as error:
            raise MlflowException(str(error), BAD_REQUEST) from None


def _times(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Read times as UTC.

    Raises:
        DataError: they are numbers, or text that is not ISO 8601 (day and month could be the other way round).
    """
    times, unreadable, _ = read_database_times(cells, "UTC")
    wrong = unreadable & cells.notna()  # a missing time is refused with the row's other cells
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"Row {row + 1}: time {str(cells.iloc[row])!r} is not a time that can be read: write it as text, such as "
            "2025-12-31T18:00Z."
        )
    return times
