"""Made pictures straight into a project's catalogue, with masks as labels. Knows nothing of how they are made.

Where the project has real defects, what is made is only for training: calibration and test stay real. A project without
any has nothing else to calibrate on, so there the splits are left to be planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from telltale.collect.synth.keep import Kept
from telltale.collect.synth.paint import KINDS
from telltale.collect.synth.run import Sample
from telltale.dataset.catalogue import Catalogue, Example, NewImage, Said
from telltale.dataset.masks import references
from telltale.errors import CatalogueError, ConfigError, Interrupted
from telltale.progress import Progress, Quiet
from telltale.tasks.states import OFF_WORDS

BATCH = 32
WHO = "synth"


def kinds_for(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Which kinds of defect each of a task's names stands for: its own, or all for the only name there is.

    Names of no kind are left out: of them nothing is said. Raises ConfigError where none has any.
    """
    own: dict[str, tuple[str, ...]] = {name: (name,) for name in names if name in KINDS}
    if own:
        return own
    if len(names) == 1:
        return {names[0]: KINDS}
    raise ConfigError(
        "task.names",
        expected=f"one name, or some of {', '.join(KINDS)}",
        got=", ".join(names),
        next="make a folder with --by-kind and import it with `telltale collect folder`",
    )


def good_examples(catalogue: Catalogue, names: Sequence[str]) -> list[Example]:
    """Pictures said to have none of any name, not made here, and of no split that calibrates or tests."""
    return [
        example
        for example in catalogue.examples()
        if example.split in (None, "train")
        and not example.meta.get("synthetic")
        and all(name in example.labels and _is_off(example.labels[name].value) for name in names)
    ]


def has_real_defects(catalogue: Catalogue) -> bool:
    return any(references(each.labels) and not each.meta.get("synthetic") for each in catalogue.examples())


def keep_in_catalogue(
    samples: Iterable[Sample],
    catalogue: Catalogue,
    standing: dict[str, tuple[str, ...]],
    *,
    training_only: bool,
    show: int = 0,
    progress: Progress | None = None,
) -> Kept:
    """Add pictures with a mask, or `none of it`, for each name. A picture that is there already stays as it is.

    standing: as `kinds_for` gives. training_only: their groups join the training split, also a group of good pictures
    that has none yet. Raises CatalogueError; Interrupted on Ctrl-C, when whole batches are in.
    """
    told, kept = progress or Quiet(), Kept()
    waiting = iter(samples)
    try:
        while batch := list(islice(waiting, BATCH)):
            with catalogue.transaction():
                catalogue.add_many([_new(sample, catalogue, standing) for sample in batch])
                if training_only:
                    has = catalogue.splits()
                    catalogue.set_splits({s.group: "train" for s in batch if s.group not in has})
            for sample in batch:
                kept.count(sample, show)
                told.advance()
    except KeyboardInterrupt as stop:
        raise Interrupted(
            "making pictures", got=f"stopped after {kept.pictures}", next="the same command goes on: what is in stays"
        ) from stop
    return kept


def _new(sample: Sample, catalogue: Catalogue, standing: dict[str, tuple[str, ...]]) -> NewImage:
    labels: dict[str, Said] = {}
    for name, kinds in standing.items():
        masks = [sample.painted.masks[kind] for kind in kinds if kind in sample.painted.masks]
        if not masks:
            labels[name] = Said(False)
            continue
        whole = masks[0].copy()
        for mask in masks[1:]:
            whole[mask > 0] = 255
        labels[name] = Said(catalogue.keep_mask(whole))
    if not labels:
        raise CatalogueError("labels", expected="a name the defects stand for", got="none")
    return NewImage(sample.png, ".png", sample.group, WHO, sample.meta(), labels, WHO, sample.painted.image)


def _is_off(value: object) -> bool:
    return value is False or str(value).strip().lower() in OFF_WORDS
