"""A bridge's label as a file, with its QR code drawn by segno."""

import io
from pathlib import Path

from tillbell_agent.cli.errors import NOT_WELL, USAGE, CliError
from tillbell_agent.flash.label import Label
from tillbell_agent.shell.files import write_whole
from tillbell_agent.shell.flash_tools import ToolError, need

_FORMATS = (".svg", ".png")
_PNG_SCALE = 8
_MODE = 0o644  # nothing on a label is secret


def check_label(path: Path | None) -> None:
    """Before anything is begun: whether it can be drawn. Raises CliError."""
    if path is None:
        return
    if path.suffix.lower() not in _FORMATS:
        raise CliError(f"flash: --label {path}: name a file that ends in .svg or .png", USAGE)
    try:
        need("segno")
    except ToolError as error:
        raise CliError(f"flash: --label: {error}", NOT_WELL) from error


def write_label(label: Label, path: Path) -> None:
    """SVG: text and code; PNG: the code alone, which says the same. Raises OSError."""
    import segno  # noqa: PLC0415 - an optional package

    code = segno.make(label.scanned(), error="m", micro=False)
    if path.suffix.lower() == ".svg":
        drawn = code.svg_inline(omitsize=True, border=1)
        write_whole(path, label.svg(drawn).encode(), _MODE)
        return
    octets = io.BytesIO()
    code.save(octets, kind="png", scale=_PNG_SCALE)
    write_whole(path, octets.getvalue(), _MODE)
