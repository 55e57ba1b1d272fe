"""The pipeline's stages, one per file: dvc.yaml's key, the command and params.yaml's section have the file's name.

Each has `run(settings, progress, …)`, which reads files, calls pure functions, writes files, and gives one line that
sums up the result. Only `ingest` is not in dvc.yaml: it writes data/, which data.dvc tracks and the graph starts from.
"""
