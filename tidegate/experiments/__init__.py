"""What is tried beside the pipeline: tuning, backtests, classification of whole sequences."""
