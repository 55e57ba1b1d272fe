"""The gate before the registry: what is registered forecasts as the net that was trained."""

from functools import cache

import numpy as np
import pytest
from nets import LEARNING, NETS, PANEL, SECTIONS, shared_model, untrained
from panels import all_starts

from models import recurrent
from models.conformal import CalibratedModel
from models.nets import numpy_cells
from models.nets.structure import weight_shapes
from tidegate.errors import GateClosed
from tidegate.forecasting.registration import require_forecasts_of_keras


@cache
def model(name: str) -> CalibratedModel:
    """Give a candidate; a recurrent net with its first weights."""
    if name not in NETS:
        return shared_model(name)
    options = {key: value for key, value in SECTIONS[name].items() if key != "family"}
    return CalibratedModel(untrained(recurrent.Options(**options), PANEL.spec), PANEL.spec)


@pytest.mark.parametrize("name", [*LEARNING, "seasonal"])
def test_every_family_passes(name: str) -> None:
    require_forecasts_of_keras(name, model(name), PANEL, all_starts(PANEL))


@pytest.mark.parametrize("name", ["lecture", "lstm", "gru"])
def test_a_cell_that_computes_something_else_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_cells, "ONE", np.float32(1.0001))
    with pytest.raises(GateClosed) as caught:
        require_forecasts_of_keras(name, model(name), PANEL, all_starts(PANEL))
    assert f"what {name} forecasts in NumPy and in Keras differs by up to " in str(caught.value)


def test_a_net_that_forecasts_no_number_is_refused() -> None:
    options = recurrent.Options(cell="gru", units=4)
    family = recurrent.Family(options, PANEL.spec)
    weights = [np.full(shape, np.nan, np.float32) for shape in weight_shapes(options, PANEL.spec).values()]
    family.inference = recurrent.RecurrentNet(options, PANEL.spec, weights)
    with pytest.raises(GateClosed, match="differs by up to nan training deviations"):
        require_forecasts_of_keras("gru", CalibratedModel(family, PANEL.spec), PANEL, all_starts(PANEL))
