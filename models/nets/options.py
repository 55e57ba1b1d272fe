"""The section of a recurrent candidate in params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from models.interface import ModelOptions
from tidegate.workspace.field_types import Real, Share, Steps, Whole
from tidegate.workspace.settings import Window


class Options(ModelOptions):
    """The section of a recurrent candidate."""

    cell: Literal["rnn", "lstm", "gru"]  # of the recurrent layers
    units: Steps  # of each
    layers: Steps = 1  # one upon the other
    bidirectional: bool = False  # whether the lookback is read from both ends
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.0  # between layers, and before the head
    layer_norm: bool = False  # after each layer
    residual: bool = False  # each layer's input is added to its output
    segment: Steps = 1  # steps in a token, which the cell reads at a time
    channels: Literal["mixed", "independent"] = "mixed"  # independent: the targets share one net, each by itself
    # each window less its newest value, or less its mean and over its deviation
    normalise: Literal["none", "last", "standard"] = "none"
    # one linear layer; a query a segment of the horizon; or each forecast fed back
    head: Literal["direct", "queries", "recursive"] = "direct"
    teacher_forcing: Share = 0.0  # probability, for a recursive head
    station_embedding: Whole = 0  # length of the vector that is learnt for each station
    # what is learnt; every output gets calibrated quantiles
    output: Literal["point", "quantiles", "gaussian"] = "point"

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Refuse options that are not compatible with the windows, or with each other."""
        if window.lookback_steps % self.segment:
            return "segment", f"is {self.segment}, which does not divide window.lookback_steps {window.lookback_steps}"
        if window.alert and (self.output, self.head) != ("point", "direct"):
            return "output", "and head are for values: with window.alert leave them out"
        if self.teacher_forcing and self.head != "recursive":
            return "teacher_forcing", f"is for head: recursive, and head is {self.head}"
        return None
