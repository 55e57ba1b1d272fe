"""Tidegate: forecasts for networks of stations; data, windows and models pass gates that are closed by default."""

import os

_DEFAULTS = {
    # No tool that this project runs sends usage data. A value that the user has set is kept.
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The log lines of stages are shown in Prefect's pages too.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "tidegate",
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)
