"""MLflow: the tracking store, the runs in it, the model registry, and how busy a machine was."""
