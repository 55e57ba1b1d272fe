"""Tables that write their times in many ways."""

import pandas as pd
from builders import (
    DATED,
    DAYS,
    EPOCH,
    PLAIN,
    Reading,
    Shape,
    as_csv,
    csv,
    numbered,
    stations,
    text,
    timed,
)

TIMES = (
    Shape("plain ISO", csv(PLAIN), Reading("time")),
    Shape("ISO with Z", csv(timed("%Y-%m-%dT%H:%M:%SZ")), Reading("time")),
    Shape(
        "ISO with an offset",
        csv(timed("%Y-%m-%dT%H:%M:%S+01:00")),
        Reading("time", span=("2023-12-31 23:00", "2024-01-20 22:00")),
    ),
    Shape("year first with slashes", csv(timed("%Y/%m/%d %H:%M")), Reading("time")),
    Shape("days before months, dots", csv(timed("%d.%m.%Y %H:%M")), Reading("time", {"time_format": "%d.%m.%Y %H:%M"})),
    Shape("months before days", csv(timed("%m/%d/%Y %H:%M")), Reading("time", {"time_format": "%m/%d/%Y %H:%M"})),
    Shape(
        "two-digit year, months first", csv(timed("%m/%d/%y %H:%M")), Reading("time", {"time_format": "%m/%d/%y %H:%M"})
    ),
    Shape(
        "two-digit year, days first", csv(timed("%d/%m/%y %H:%M")), Reading("time", {"time_format": "%d/%m/%y %H:%M"})
    ),
    Shape("two-digit year first", csv(timed("%y-%m-%d %H:%M")), Reading("time", {"time_format": "%y-%m-%d %H:%M"})),
    Shape("half of the day", csv(timed("%m/%d/%Y %I:%M %p")), Reading("time", {"time_format": "%m/%d/%Y %I:%M %p"})),
    Shape("dotted clock", csv(timed("%d.%m.%Y %H.%M.%S")), Reading("time", {"time_format": "%d.%m.%Y %H.%M.%S"})),
    Shape("name of the month", csv(timed("%d-%b-%Y %H:%M")), Reading("time")),
    Shape("compact hours", csv(timed("%Y%m%d%H")), Reading("time", {"time_format": "%Y%m%d%H"})),
    Shape(
        "compact days",
        csv(DAYS.assign(time=DAYS["time"].dt.strftime("%Y%m%d"))),
        Reading("time", {"time_format": "%Y%m%d"}, "1D", target="flow", span=("2022-01-01 00:00", "2023-05-15 00:00")),
    ),
    Shape("seconds since 1970", csv(PLAIN.assign(time=EPOCH)), Reading("time", {"time_format": "unix"})),
    Shape("milliseconds since 1970", csv(PLAIN.assign(time=EPOCH * 1000)), Reading("time", {"time_format": "unix_ms"})),
    Shape("date and clock", csv(timed("", **DATED)), Reading({"date": "Date", "clock": "Time"})),
    Shape(
        "date and dotted clock, decimal commas",
        csv(timed("", Date="%d/%m/%Y", Time="%H.%M.%S"), sep=";", decimal=","),
        Reading({"date": "Date", "clock": "Time"}, {"time_format": "%d/%m/%Y"}),
    ),
    Shape(
        "the same with empty columns at the end",
        text(
            "\n".join(
                line + ";;"
                for line in as_csv(timed("", Date="%d/%m/%Y", Time="%H.%M.%S"), sep=";", decimal=",").splitlines()
            )
            + "\n",
            "in.csv",
        ),
        Reading({"date": "Date", "clock": "Time"}),
    ),
    Shape(
        "date and clock at stations",
        csv(stations(timed("", **DATED), "A", "B")),
        Reading({"date": "Date", "clock": "Time"}, {"station": "station"}, stations=2),
    ),
    Shape(
        "date and hour of the day",
        csv(pd.concat([timed("", day="%Y-%m-%d")["day"], numbered(hour_of_day="hour")], axis=1)),
        Reading({"date": "day", "hour": "hour_of_day"}),
    ),
    Shape(
        "date and hours from 1 to 24",
        csv(pd.concat([timed("", day="%Y-%m-%d")["day"], numbered(hr="hour_ending")], axis=1)),
        Reading({"date": "day", "hour": "hr"}, span=("2024-01-01 01:00", "2024-01-21 00:00")),
    ),
    Shape(
        "numbered rows before date and hour",
        csv(
            pd.concat([timed("", day="%Y-%m-%d")["day"], numbered(hour_of_day="hour")], axis=1).reset_index(names="row")
        ),
        Reading({"date": "day", "hour": "hour_of_day"}, variables=("load", "temp")),
    ),
    Shape(
        "year, month, day, hour",
        csv(numbered(year="year", month="month", day="day", hour="hour")),
        Reading(["year", "month", "day", "hour"]),
    ),
    Shape(
        "year, month, day",
        csv(
            pd.DataFrame(
                {
                    "YR": DAYS["time"].dt.year,
                    "MO": DAYS["time"].dt.month,
                    "DY": DAYS["time"].dt.day,
                    "flow": DAYS["flow"],
                }
            )
        ),
        Reading(["YR", "MO", "DY"], frequency="1D", target="flow", span=("2022-01-01 00:00", "2023-05-15 00:00")),
    ),
    Shape(
        "year, day of the year, hour",
        csv(numbered(YEAR="year", DOY="doy", HR="hour")),
        Reading({"year": "YEAR", "day_of_year": "DOY", "hour": "HR"}),
    ),
    Shape(
        "month, day and hour without a year",
        csv(numbered(month="month", day="day", hour="hour")),
        Reading(refused="no column holds the year"),
    ),
)
