"""What every part of the package stands on: the paths of a workspace, params.yaml, a model's identity, progress."""
