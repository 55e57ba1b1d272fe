"""Make weather.db: two years of three simulated stations, in a table as a data logger would write it."""

import sqlite3

from tidegate.sources.simulated import Options, Source
from tidegate.workspace.settings import load_settings

options = Options(stations=3, start="2024-01-01T00:00:00Z", end="2026-01-01T00:00:00Z")
(piece,) = Source(options, load_settings().dataset).pieces(None)
with sqlite3.connect("weather.db") as database:
    for rows in piece.read():
        text = rows.assign(time=rows["time"].dt.strftime("%FT%TZ"), arrived=rows["arrived"].dt.strftime("%FT%TZ"))
        print(f"{text.to_sql('hourly', database, index=False, if_exists='replace'):,} rows in weather.db, table hourly")
    database.execute("CREATE INDEX by_time ON hourly (time)")
