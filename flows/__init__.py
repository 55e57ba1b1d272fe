"""The Prefect flows: order, retries, schedules. The work of each step is in tidegate/."""
