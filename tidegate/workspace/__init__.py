"""What all packages share: the paths of a workspace, params.yaml, the identity of a model, progress."""
