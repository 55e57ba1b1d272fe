"""Prefect: order, retries, schedules. What is done in each step stands in tidegate/."""
