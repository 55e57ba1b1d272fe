"""A page as one file: templates filled in, with Vega's JavaScript inside, so that it asks for nothing.

The specs of charts stand in the page as JSON; the page's own script draws each when it comes into view, in the colours
of the reader's scheme, light or dark, and in the width that there is.
"""

import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tidegate.workspace.paths import DVC_PAGE, atomic_output


def write_page(path: Path, template: str, facts: Mapping[str, Any]) -> Path:
    """Fill a template in, and write the page."""
    environment = Environment(
        loader=PackageLoader("tidegate.reporting"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**facts, vega=vega())
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_dvc_page() -> None:
    """Write the page that `dvc plots show` fills in, if it is absent: DVC's own loads Vega from the web."""
    if not DVC_PAGE.exists():
        write_page(DVC_PAGE, "dvc_plots.html", {})


def vega() -> str:
    """Give Vega, Vega-Lite and Vega-Embed as one script.

    It takes four seconds to be put together, so it is kept within the environment, by the release that it is of.
    """
    kept = Path(sys.prefix) / "share" / "tidegate" / f"vega-{metadata.version('vl-convert-python')}.js"
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    import vl_convert

    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub asks for what is optional
    script = bundle.replace("</script", "<\\/script")
    with suppress(OSError):  # an environment that may not be written to
        with atomic_output(kept) as temporary:
            temporary.write_text(script, encoding="utf-8")
    return script
