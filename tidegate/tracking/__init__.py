"""MLflow: the tracking store, the runs in it, the model registry, and the utilisation of the machine."""
