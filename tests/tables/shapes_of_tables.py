"""Tables of many layouts: blanks, comments, archives, columns of their own, series in rows."""

import pandas as pd
from builders import (
    BROKEN,
    DAYS,
    LARGE,
    PLAIN,
    SHORT_DAYS,
    Reading,
    Shape,
    as_csv,
    blanks,
    csv,
    gzipped,
    hours,
    numbered,
    packed,
    several,
    text,
)

from tidegate.onboarding.columns import Told

TABLES = (
    Shape(
        "blanks between columns",
        text(blanks(numbered(year="year", month="month", day="day", hour="hour"))),
        Reading(["year", "month", "day", "hour"], {"delimiter": "whitespace"}),
    ),
    Shape(
        "blanks and no header",
        text(blanks(numbered(year="year", month="month", day="day", hour="hour"), header=False)),
        Reading(["column_1", "column_2", "column_3", "column_4"], {"delimiter": "whitespace"}, target=None),
    ),
    Shape(
        "blanks, a numbered station and a mark",
        text("\n".join(f"00000001 {day:%Y %m %d} {flow:8.2f} A" for day, flow in DAYS.itertuples(index=False)) + "\n"),
        Reading(["column_2", "column_3", "column_4"], {"station": "column_1"}, "1D", target="column_5", span=None),
    ),
    Shape(
        "comment lines",
        text("# Station: Aare\n# by hand\n" + as_csv(PLAIN), "in.csv"),
        Reading("time", {"comment": "#"}),
    ),
    Shape(
        "comments, the last of which names the columns",
        text("# made by a logger\n#" + as_csv(PLAIN).replace("\n", "\n", 1), "in.csv"),
        Reading("time", {"comment": "#", "header": ["time", "load", "temp"]}),
    ),
    Shape(
        "lines before the header",
        text("Logger 7\nSite: Aare\n\n" + as_csv(PLAIN), "in.csv"),
        Reading("time", {"skip_lines": 3}),
    ),
    Shape(
        "a line of units",
        text(as_csv(PLAIN).replace("temp\n", "temp\n-,kW,degC\n", 1), "in.csv"),
        Reading("time", {"skip_after_header": 1}),
    ),
    Shape("semicolons", csv(PLAIN, sep=";"), Reading("time")),
    Shape("tabs", csv(PLAIN, "in.tsv", sep="\t"), Reading("time")),
    Shape("a byte order mark", csv(PLAIN, encoding="utf-8-sig"), Reading("time")),
    Shape("gzip", gzipped, Reading("time")),
    Shape("zip", packed(a__csv=as_csv(PLAIN)), Reading("time")),
    Shape(
        "zip of two stations and a note",
        packed(A__csv=as_csv(PLAIN), B__csv=as_csv(PLAIN), LICENCE__md="free\n"),
        Reading("time", {"members": "*.csv"}, stations=2),
    ),
    Shape(
        "columns called like ours, in capitals",
        csv(PLAIN.assign(Time=PLAIN["time"].dt.hour * 2, Value=PLAIN["temp"]).rename(columns={"time": "Date_Time"})),
        Reading("Date_Time"),
    ),
    Shape(
        "columns that differ by case alone",
        csv(PLAIN.assign(Temp=PLAIN["temp"] + 1)),
        Reading("time", variables=("load", "temp", "Temp_2")),
    ),
    Shape(
        "copies of parts of the time",
        csv(PLAIN.assign(wday=PLAIN["time"].dt.day_of_week, mnth=PLAIN["time"].dt.month, h=PLAIN["time"].dt.hour)),
        Reading("time", variables=("load", "temp")),
    ),
    Shape(
        "series in rows",
        csv(DAYS.head(30).assign(time=DAYS["time"].dt.strftime("%Y-%m-%d")).set_index("time").T.reset_index()),
        Reading(refused="each row is a series"),
    ),
    Shape(
        "a row a quantity",
        csv(PLAIN.melt("time", var_name="parameter", value_name="value")),
        Reading(refused="make a column of each"),
    ),
    Shape("no time", csv(PLAIN[["load", "temp"]]), Reading(refused="--start and --frequency")),
    Shape(
        "no time, a start",
        csv(PLAIN[["load", "temp"]]),
        Reading(options={"start": "2024-01-01T00:00Z"}),
        Told(start="2024-01-01T00:00Z", frequency="1h"),
    ),
    Shape(
        "wide, numbered",
        csv(
            pd.DataFrame({"time": PLAIN["time"], "S1": PLAIN["load"], "S2": PLAIN["load"] + 3, "S3": PLAIN["load"] + 5})
        ),
        Reading("time", {"wide": "reading"}, stations=3, target="reading"),
    ),
    Shape(
        "wide, as told",
        csv(pd.DataFrame({"time": PLAIN["time"], "Aare": PLAIN["load"], "Rhein": PLAIN["load"] + 3})),
        Reading("time", {"wide": "reading"}, stations=2, target="reading"),
        Told(wide=True),
    ),
    Shape(
        "files of two steps",
        several(a=PLAIN, b=hours(frequency="10min")),
        Reading(refused="a.csv each 1h; m/b.csv each 10min"),
    ),
    Shape(
        "files of two quantities",
        several(a=PLAIN, b=PLAIN.rename(columns={"load": "flow"})),
        Reading(refused="m/b.csv without load"),
    ),
    Shape(
        "a mark of missing values in all columns",
        csv(BROKEN),
        Reading("time", sentinels={"load": (-999.0,), "temp": (-999.0,)}),
    ),
    Shape(
        "a mark within the wide range of a column",
        csv(LARGE),
        Reading("time", sentinels={"load": (-200.0,), "temp": (-200.0,)}),
    ),
    Shape(
        "the time by name",
        csv(PLAIN.assign(written=PLAIN["time"] + pd.Timedelta("400D"))),
        Reading("written", span=("2025-02-04 00:00", "2025-02-23 23:00")),
        Told(time=("written",)),
    ),
    Shape("the target by name", csv(PLAIN), Reading("time", target="temp"), Told(targets=("temp",))),
    Shape(
        "a time zone with summer time",
        csv(hours(first=pd.Timestamp("2024-04-01"))),
        Reading("time", zone="Europe/Berlin", span=("2024-03-31 22:00", "2024-04-20 21:00")),
        Told(time_zone="Europe/Berlin"),
    ),
    Shape(
        "months or days first, in doubt",
        csv(
            SHORT_DAYS[SHORT_DAYS.index % 31 < 12].assign(
                time=[f"{1 + n % 12:02d}/{1 + n // 12:02d}/2022" for n in range((SHORT_DAYS.index % 31 < 12).sum())]
            )
        ),
        Reading("time", frequency="1D", target="flow", span=None),
    ),
    Shape(
        "quarters of an hour, the day ends at 24:00",
        text(
            as_csv(
                hours(5, "15min").assign(
                    time=lambda frame: [
                        f"{(end - pd.Timedelta('1s')):%d.%m.%Y} {'24:00' if end == end.normalize() else f'{end:%H:%M}'}"
                        for end in frame["time"] + pd.Timedelta("15min")
                    ]
                )
            ),
            "in.csv",
        ),
        Reading("time", frequency="15min", span=("2024-01-01 00:15", "2024-01-06 00:00")),
    ),
)
