"""The names of columns in frames of measurements, findings and forecasts, besides the columns of variables."""

STATION = "station"
TIME = "time"  # when it was measured; of a forecast, the time it is for
ARRIVED = "arrived"  # when it was first received
REPLACED = "replaced"  # when a newer version replaced it
KEYS = [STATION, TIME]

VARIABLE = "variable"
VALUE = "value"
STANDING = "standing"  # the value that counts, beside one that was replaced
RULE = "rule"
SUPERSEDED = "superseded"  # in the place of a rule, of values in quarantine that others have replaced
# Of a cell that broke a rule: its row, the rule's subject, and whether its value is put into quarantine.
ROW, SUBJECT, HELD_BACK = "row", "of", "held"

ORIGIN = "origin"
FORECAST = "forecast"
METHOD = "method"
REASON = "reason"  # why a row is not the model's
MODEL, BASELINE = "model", "baseline"  # values of the column METHOD
LATE_STEPS = "late_steps"  # by which the station's newest value was older than the origin
REVISION = "revision"  # 0, 1, …: of a forecast, the newest stands

# Frames have these columns beside those of the variables: no variable can have one of these names.
RESERVED = (STATION, TIME, ARRIVED, REPLACED, VARIABLE, VALUE, RULE, STANDING, ROW, SUBJECT, HELD_BACK)
