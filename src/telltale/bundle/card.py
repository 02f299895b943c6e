"""The model card of a bundle: README.md, from bundle.json alone.

The header is YAML as Hugging Face reads it (huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from telltale.bundle.spec import BundleSpec, Variant
from telltale.tasks.task import Json

HUB_LICENCES = frozenset({"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0"})
"""Names the header takes as they are; any other licence is `other` with its own name."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the card says of a kind of task. pipeline: Hugging Face's tag. promise: of `unsure`."""

    pipeline: str
    answer: str
    measures: tuple[str, ...]
    promise: str


WORDS = {
    "states": Words(
        "image-classification",
        "whether each of these is `on` or `off`, or that it is `unsure`",
        ("coverage", "told_accuracy", "accuracy", "f1", "auroc", "ece"),
        "told answers wrong at most {error:.1%} of the time, with {confidence:.0%} confidence",
    ),
    "mask": Words(
        "image-segmentation",
        "which pixels show each of these, and which regions they make",
        ("dice", "iou", "auroc", "aupro", "region_recall", "false_regions_good"),
        "at most {error:.1%} of the regions missed, in expectation",
    ),
    "locate": Words(
        "object-detection",
        "where each of these is: boxes with their centre and score",
        ("ap50", "ap", "near", "centre_px", "recall", "false_empty"),
        "at most {error:.1%} of the objects missed, in expectation",
    ),
}
"""Kind of task to its words."""

FITS = {
    "stretch": "A picture of any size is stretched to {width}x{height}",
    "letterbox": "A picture of any size is fitted with grey padding to {width}x{height}",
    "tile": "A picture of any size is seen at {scale:g} of its size, in windows whose sides {stride} divides",
}


def model_card(spec: BundleSpec) -> str:
    """Markdown: what it tells, how to run it, how well it does, what it was made from, its limits."""
    parts = [
        _header(spec),
        f"# {spec.name}",
        _what(spec),
        _use(spec),
        _thresholds(spec),
        _numbers(spec),
        _variants(spec),
        _made_from(spec),
        _limits(spec),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(spec: BundleSpec) -> str:
    licence = spec.licence.lower()
    lines = ["---", "library_name: telltale", f"pipeline_tag: {_words(spec).pipeline}"]
    if licence in HUB_LICENCES:
        lines.append(f"license: {licence}")
    else:
        lines += ["license: other", f"license_name: {json.dumps(spec.licence)}"]
    lines += ["tags:", "- telltale", "- onnx", f"- {spec.task['kind']}", *_results(spec), "---"]
    return "\n".join(lines)


def _results(spec: BundleSpec) -> list[str]:
    """`model-index`, where evaluate has filled in overall numbers."""
    found = [
        (name, value)
        for name, value in _overall(spec)
        if name in ("accuracy", "f1", "told_accuracy", "coverage", "dice", "iou", "auroc")
    ]
    if not found:
        return []
    lines = [
        "model-index:",
        f"- name: {json.dumps(spec.name)}",
        "  results:",
        "  - task:",
        f"      type: {_words(spec).pipeline}",
        "    dataset:",
        "      name: test split",
        f"      type: {json.dumps(spec.data.hash[:12] or 'unknown')}",
        "    metrics:",
    ]
    for name, value in found:
        lines += [f"    - type: {name}", f"      value: {value:.4f}"]
    return lines


def _what(spec: BundleSpec) -> str:
    names = ", ".join(f"`{name}`" for name in spec.make_task().names)
    width, height = spec.input.width, spec.input.height
    fit = FITS[spec.input.fit].format(width=width, height=height, scale=spec.input.scale, stride=spec.model.stride)
    shape = "(N, H, W, 3)" if spec.input.fit == "tile" else f"(N, {height}, {width}, 3)"
    return (
        f"Tells, for one picture, {_words(spec).answer}: {names}.\n\n"
        f"{fit}; `model.onnx` takes it as uint8 {shape} RGB, and holds normalisation, calibration and sigmoid."
    )


def _words(spec: BundleSpec) -> Words:
    return WORDS.get(spec.task["kind"], WORDS["states"])


def _use(spec: BundleSpec) -> str:
    return f"""```python
import telltale
telltale.load({json.dumps(spec.name + ".telltale")}).tell("picture.jpg").to_json()
```"""


def _thresholds(spec: BundleSpec) -> str:
    rows = [
        (name, f"{t.low:.3f}", f"{t.high:.3f}", f"{spec.temperature[name]:.3f}", spec.unsure.notes.get(name, ""))
        for name, t in spec.thresholds.items()
    ]
    text = "## Answers\n\n" + _table(("name", "off up to", "on from", "temperature", "guarantee"), rows)
    if spec.unsure.notes:
        promise = _words(spec).promise.format(error=spec.unsure.error, confidence=spec.unsure.confidence)
        text += f"\n\nAsked for: {promise}, for pictures like those it was calibrated on."
    return text


def _numbers(spec: BundleSpec) -> str:
    rows = [(name, f"{value:.4f}", interval) for name, value, interval in _overall_rows(spec)]
    if not rows:
        return "## Numbers\n\nNot evaluated yet: `telltale evaluate` fills this in."
    headline = spec.metrics.get("headline")
    parts = ["## Numbers", *([headline] if isinstance(headline, str) else []), "On the test split, over all names:"]
    parts.append(_table(("measure", "value", "interval"), rows))
    heads = list(_head_rows(spec))
    return "\n\n".join([*parts, *(["Name by name:", _table(("name", *_words(spec).measures), heads)] if heads else [])])


def _head_rows(spec: BundleSpec) -> Iterator[tuple[str, ...]]:
    """One row a name of `metrics.heads`."""
    heads = spec.metrics.get("heads")
    for name, measures in heads.items() if isinstance(heads, dict) else ():
        if isinstance(measures, dict):
            values = (_value(measures.get(measure))[0] for measure in _words(spec).measures)
            yield (str(name), *("" if value is None else f"{value:.4f}" for value in values))


def _overall(spec: BundleSpec) -> list[tuple[str, float]]:
    return [(name, value) for name, value, _ in _overall_rows(spec)]


def _overall_rows(spec: BundleSpec) -> list[tuple[str, float, str]]:
    """(measure, value, interval) of `metrics.overall`: a number, {value, low, high} or [value, low, high]."""
    overall = spec.metrics.get("overall")
    rows = []
    for name, entry in overall.items() if isinstance(overall, dict) else ():
        value, low, high = _value(entry)
        if value is not None:
            rows.append((str(name), value, f"{low:.4f} to {high:.4f}" if low is not None and high is not None else ""))
    return rows


def _value(entry: Json) -> tuple[float | None, float | None, float | None]:
    if isinstance(entry, dict):
        entry = [entry.get("value"), entry.get("low"), entry.get("high")]
    if not isinstance(entry, list):
        entry = [entry, None, None]
    numbers = [float(x) if isinstance(x, int | float) and not isinstance(x, bool) else None for x in entry]
    value, low, high = [*numbers, None, None, None][:3]
    return value, low, high


def _variants(spec: BundleSpec) -> str:
    if not spec.variants:
        return ""
    rows = [
        (name, v.file, "yes" if v.kept else "no", *_variant_numbers(v), v.note) for name, v in spec.variants.items()
    ]
    head = ("variant", "file", "kept", "bytes", "ms", "accuracy change", "largest change", "note")
    on = f" on {spec.machine}" if spec.machine else ""
    return (
        f"## Size and speed\n\nMedian time of the model alone for one picture, one thread{on}.\n\n{_table(head, rows)}"
    )


def _variant_numbers(variant: Variant) -> tuple[str, str, str, str]:
    return (
        str(variant.bytes),
        "" if variant.latency_ms is None else f"{variant.latency_ms:.3f}",
        "" if variant.accuracy_delta is None else f"{variant.accuracy_delta:+.4f}",
        "" if variant.max_delta is None else f"{variant.max_delta:.2g}",
    )


def _made_from(spec: BundleSpec) -> str:
    model, data = spec.model, spec.data
    lines = [
        f"- network: `{model.backbone}`, {model.parameters:,} parameters, {model.macs:,} multiply-adds a picture, "
        "trained from scratch",
        f"- data: {data.images:,} pictures in {data.groups:,} groups, hash `{data.hash[:16]}`",
        f"- made: {spec.created or 'unknown'} with " + ", ".join(f"{k} {v}" for k, v in sorted(spec.code.items())),
        f"- licence: {spec.licence}",
    ]
    if spec.allow_leak:
        lines.append(
            "- **pictures nearly the same lie on both sides of the split (`--allow-leak`): the numbers flatter**"
        )
    return "## Made from\n\n" + "\n".join(lines)


def _limits(spec: BundleSpec) -> str:
    return (
        "## Limits\n\nIt knows the kind of picture it was trained on. On others it may be wrong and sure of it; "
        "`unsure` guards against hard cases of the known kind only. `golden.npz` lets any runtime check itself."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows])


def _cell(text: str) -> str:
    """On one line, with no end of a cell inside."""
    return " ".join(text.replace("|", "\\|").split())
