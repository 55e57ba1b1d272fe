"""Windows of the clean data: the panel, the scaler, the splits by time, and the leakage gate."""
