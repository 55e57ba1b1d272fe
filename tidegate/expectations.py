"""The expectations for suites of Great Expectations of a user's own; they stand in tidegate/quality/expectations.py."""

from tidegate.quality.expectations import (
    ExpectFewMissing,
    ExpectFreshData,
    ExpectNoDrift,
    ExpectNoHourLostToClockChange,
    ExpectNoLongGap,
    ExpectNoSpike,
    ExpectNoStuckSensor,
    ExpectRegularTimes,
    ExpectSmallRevisions,
    ExpectTimesInOrder,
)

__all__ = [
    "ExpectFewMissing",
    "ExpectFreshData",
    "ExpectNoDrift",
    "ExpectNoHourLostToClockChange",
    "ExpectNoLongGap",
    "ExpectNoSpike",
    "ExpectNoStuckSensor",
    "ExpectRegularTimes",
    "ExpectSmallRevisions",
    "ExpectTimesInOrder",
]
