"""One colour a candidate, in every figure and page: Okabe and Ito's, which the colour-blind tell apart.

M. Okabe and K. Ito, Color Universal Design (2008). Their yellow is left out: it cannot be seen on white.
"""

from collections.abc import Iterable

MEASURED = "#1b1b1b"  # what was measured; pages draw it light where they are dark
BASELINE = "#7f7f7f"
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
CANDIDATES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)


def colours_of(candidates: Iterable[str], baseline: str | None) -> dict[str, str]:
    """Give each candidate of params.yaml its colour, in that order; the baseline is grey.

    Of more than six, those that follow repeat the colours.
    """
    others = [name for name in candidates if name != baseline]
    colours = {name: CANDIDATES[number % len(CANDIDATES)] for number, name in enumerate(others)}
    return colours if baseline is None else {baseline: BASELINE, **colours}
