"""The forecaster, where versions registered up to November 2026 look for it; it stands in tidegate/forecasting."""

from tidegate.forecasting.forecaster import Forecaster

__all__ = ["Forecaster"]
