"""What Dagster shows of an out: its size, rows and columns, the numbers of metrics, plots."""

import csv
import json
import math
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.pipeline import Stage
from soccer_assets.dvc.project import DvcProject

#: Larger plots are linked to, and not shown.
IMAGE_BYTES = 1 << 20
#: Images of a folder of plots that are shown.
IMAGES = 12
#: Rows of a plot's data that are shown.
ROWS = 50
#: Numbers of one file of metrics that are shown.
NUMBERS = 200

_IMAGE_TYPES = {
    ".gif": "gif",
    ".jpeg": "jpeg",
    ".jpg": "jpeg",
    ".png": "png",
    ".svg": "svg+xml",
    ".webp": "webp",
}


def describe(project: DvcProject, stage: Stage, made: Out) -> dict[str, Any]:
    """Bytes and place of an out; rows and columns where it is parquet; what a plot looks like."""
    path = project.path(made.path)
    described: dict[str, Any] = {"bytes": made.size, "dagster/uri": str(path)}
    if made.is_directory:
        described["dvc/files"] = made.files
    described |= _table(path)
    if any(out.path == made.path and out.role == "plot" for out in stage.outs):
        described |= _plot(path)
    return described


def metrics_of(project: DvcProject, stage: Stage) -> dict[str, Any]:
    """The numbers of a stage's metrics: ``{"auc": {"test": 0.8}}`` in ``eval.json`` is
    ``eval/auc.test``."""
    found: dict[str, Any] = {}
    for out in stage.outs:
        path = project.path(out.path)
        if out.role == "metric" and path.is_file():
            numbers = islice(_numbers(_document(path)), NUMBERS)
            found |= {f"{path.stem}/{name}": number for name, number in numbers}
    return found


def _table(path: Path) -> dict[str, Any]:
    """Rows and columns of a parquet file, or of a folder of nothing else but files whose names begin
    with an underscore, which readers of parquet leave out."""
    files = [path]
    if path.is_dir():
        files = sorted(
            file for file in path.rglob("*") if file.is_file() and not file.name.startswith("_")
        )
    if not files or any(file.suffix != ".parquet" for file in files):
        return {}
    import pyarrow.parquet as pq

    footers = [pq.ParquetFile(file) for file in files]
    columns = [dg.TableColumn(f.name, str(f.type)) for f in footers[-1].schema_arrow]
    return {
        "dagster/row_count": sum(footer.metadata.num_rows for footer in footers),
        "dagster/column_schema": dg.TableSchema(columns),
    }


def _plot(path: Path) -> dict[str, Any]:
    """A picture, or those of a folder; the first rows of data."""
    if path.is_dir():
        images = sorted(file for file in path.rglob("*") if file.suffix.lower() in _IMAGE_TYPES)
        shown = {file.relative_to(path).as_posix(): _image(file) for file in images[:IMAGES]}
        return {f"plot/{name}": image for name, image in shown.items()}
    if path.suffix.lower() in _IMAGE_TYPES:
        return {"plot": _image(path)}
    records = [dg.TableRecord(row) for row in islice(_rows(path), ROWS)]
    return {"plot": dg.MetadataValue.table(records)} if records else {}


def _image(file: Path) -> dg.MetadataValue:
    if file.stat().st_size > IMAGE_BYTES:
        return dg.MetadataValue.path(str(file))
    kind = _IMAGE_TYPES[file.suffix.lower()]
    body = b64encode(file.read_bytes()).decode()
    return dg.MetadataValue.md(f"![{file.name}](data:image/{kind};base64,{body})")


def _rows(path: Path) -> Iterator[dict[str, str | int | float | bool]]:
    """The points of a plot: records, or the first list of such in a document."""
    if path.suffix in (".csv", ".tsv"):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","):
                yield {name: value or "" for name, value in row.items() if name is not None}
        return
    document = _document(path)
    lists = document.values() if isinstance(document, Mapping) else [document]
    points = next((one for one in lists if isinstance(one, list)), [])
    names = dict.fromkeys(name for point in points if isinstance(point, Mapping) for name in point)
    for point in points:
        if isinstance(point, Mapping):
            # A table has a value for each of its columns.
            yield {name: _scalar(point.get(name, "")) for name in names}


def _document(path: Path) -> Any:
    """A file of metrics or points; None where it is none of the kinds that DVC reads, or unreadable:
    the stage has done its work all the same."""
    readers: dict[str, Callable[[str], Any]] = {
        ".json": json.loads,
        ".toml": tomllib.loads,
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
    }
    read = readers.get(path.suffix.lower())
    try:
        return read(path.read_text("utf-8")) if read else None
    except (ValueError, yaml.YAMLError):
        return None


def _numbers(document: Any, above: str = "") -> Iterator[tuple[str, int | float]]:
    """Dotted name and value of every number."""
    if isinstance(document, Mapping):
        for name, inner in document.items():
            yield from _numbers(inner, f"{above}.{name}" if above else str(name))
    elif isinstance(document, int | float) and math.isfinite(document):
        yield above or "value", document


def _scalar(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)
