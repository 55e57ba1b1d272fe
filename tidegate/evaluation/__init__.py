"""How wrong forecasts are: metrics, the test origins that all candidates share, and figures."""
