"""What a model learns from: pictures, labels, groups and splits. Knows nothing of models."""

from __future__ import annotations

from telltale.dataset.catalogue import Catalogue, Entry, Example, ImageId, NewImage, Said

__all__ = ["Catalogue", "Entry", "Example", "ImageId", "NewImage", "Said"]
