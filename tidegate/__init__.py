"""Tidegate: forecasts for networks of stations, through gates that are closed by default."""

import os

_DEFAULTS = {
    # Nothing that this project runs reports to anyone; a user's own setting stands.
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # What a stage came to stands in Prefect's pages too.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "tidegate",
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)
