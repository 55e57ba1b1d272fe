"""The forecaster, the forecasts that it issues, and how a candidate becomes champion."""
