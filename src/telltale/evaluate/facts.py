"""What a report says of the bundle it is about. Knows nothing of what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping

from telltale.bundle.bundle import Bundle


def facts_of(bundle: Bundle, variant: str, *, rule: Mapping[str, str] | None = None) -> dict[str, str]:
    """Word to what is known of it, in the order to be read. rule: what counts as told or found, where the thresholds
    alone do not say it; they are then given too.
    """
    spec = bundle.spec
    facts = {
        "bundle": spec.name,
        "made": spec.created,
        "model": f"{spec.model.backbone}, {spec.model.parameters:,} parameters" if spec.model.backbone else "",
        "run as": f"{variant} with onnxruntime",
        "input": f"{spec.input.width} × {spec.input.height}, {spec.input.fit}",
        **(rule or {}),
        "trained on": f"{spec.data.images:,} pictures of {spec.data.groups:,} groups" if spec.data.images else "",
        "data hash": spec.data.hash,
        "licence": spec.licence,
    }
    if rule is not None:
        cuts = {name: [round(t.low, 4), round(t.high, 4)] for name, t in spec.thresholds.items()}
        facts["thresholds"] = json.dumps(cuts)
    if spec.allow_leak:
        facts["leak"] = "splits were allowed to leak: near-duplicates may stand on both sides"
    return {key: value for key, value in facts.items() if value}
