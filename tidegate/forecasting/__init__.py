"""The forecaster, the forecasts that are issued with it, and how a candidate becomes champion."""
