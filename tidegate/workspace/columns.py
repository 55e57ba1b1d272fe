"""The columns that frames of measurements, findings and forecasts have besides those of the variables."""

STATION = "station"
TIME = "time"  # when it was measured; of a forecast, the time that it is for
ARRIVED = "arrived"  # when it was first known here
REPLACED = "replaced"  # when another version took its place
KEYS = [STATION, TIME]

VARIABLE = "variable"
VALUE = "value"
STANDING = "standing"  # the value that stands in the place of a replaced one
RULE = "rule"
ROW, OF, HELD = "row", "of", "held"  # of a cell that broke a rule: its row, the rule's subject, whether it is held back

ORIGIN = "origin"
FORECAST = "forecast"
METHOD = "method"

# Columns of frames in which each variable has a column too: no variable can be named so.
RESERVED = (STATION, TIME, ARRIVED, REPLACED, VARIABLE, VALUE, RULE, STANDING, ROW, OF, HELD)
