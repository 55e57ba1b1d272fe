"""Forecasts that were issued, and how they did once their time was measured: comparing, adapting, watching, trials."""
