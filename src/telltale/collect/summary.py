"""What a collection came to. Knows nothing of how it was made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from telltale.progress import clock


@dataclass(frozen=True, slots=True)
class Summary:
    """saved: pictures added by this run; refused: reason to pictures not saved; examples: one full sentence a reason.

    combinations: wholly collected now or before, of `planned`; seconds: of this run, rehearsal included;
    capture_s: of the combinations alone.
    """

    saved: int
    refused: dict[str, int]
    combinations: int
    planned: int
    seconds: float
    capture_s: float
    retried: int = 0
    already: int = 0
    examples: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def frames_per_s(self) -> float:
        """Saved pictures per second, loading and rehearsal included."""
        return self.saved / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, object]:
        return {
            "saved": self.saved,
            "already": self.already,
            "refused": dict(self.refused),
            "examples": dict(self.examples),
            "combinations": self.combinations,
            "planned": self.planned,
            "retried": self.retried,
            "seconds": round(self.seconds, 3),
            "capture_s": round(self.capture_s, 3),
            "frames_per_s": round(self.frames_per_s, 2),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For a person."""
        lines = [
            f"saved {self.saved} pictures of {self.combinations} of {self.planned} combinations "
            f"in {clock(self.seconds)} ({self.frames_per_s:.1f}/s)"
            + (f"; {self.already} were there before" if self.already else "")
        ]
        for reason, count in Counter(self.refused).most_common():
            lines.append(f"not saved: {count}, {reason}")
            if reason in self.examples:
                lines.append(f"    {self.examples[reason]}")
        if self.retried:
            lines.append(f"{self.retried} combinations were tried twice")
        return [*lines, *self.notes]
