"""The pipeline's stages, a verb a file: dvc.yaml's key, the command's verb and params.yaml's section bear its name.

Each has `run(settings, report, …)`, which reads files, calls pure functions, writes files, and gives one line of what
came of it. `ingest` alone stands outside dvc.yaml: its output is data.dvc, where the graph begins.
"""
