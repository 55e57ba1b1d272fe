"""The forecaster, how a candidate becomes champion, and how forecasts are issued."""
