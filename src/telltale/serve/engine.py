"""Turns pictures into answers, on as many threads as there are cores. Knows nothing of HTTP or sockets.

Decoding, resizing and the network all release the interpreter lock, so threads are enough. Their queue is first come,
first served, and holds no pictures but a way to get one: a stream gives its newest frame when its turn has come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from telltale.bundle.bundle import Bundle
from telltale.bundle.tiling import Looks, look
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.serve.wire import check_picture
from telltale.tasks.task import Result

T = TypeVar("T")


class Model(Looks, Protocol):
    """What the server needs of a `Predictor`; `bundle` raises BundleError when there is only a lone .onnx."""

    @property
    def bundle(self) -> Bundle: ...


@dataclass(frozen=True, slots=True)
class Told:
    """One picture's answer.

    size: (width, height) of the upright picture. infer_ms: decode, resize, run and decode of the outputs.
    image: the picture, (H, W, 3) uint8 RGB. file: as it came, encoded; None for a frame of a video.
    """

    result: Result
    size: tuple[int, int]
    infer_ms: float
    image: Image
    file: bytes | None = None


class Engine:
    """Shared by every connection of a server; belongs to one event loop."""

    def __init__(self, model: Looks, workers: int, max_pixels: int) -> None:
        self._model = model
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="telltale-infer")

    async def tell(self, file: Callable[[], bytes]) -> Told:
        """file: called on the thread when its turn has come, gives the encoded picture.

        Raises ImageError, MediaTypeError, and what `file` raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._tell, file)

    async def tell_image(self, image: Callable[[], Image]) -> Told:
        """image: called on the thread when its turn has come, gives the picture. Raises what `image` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._tell_image, image)

    def _tell(self, file: Callable[[], bytes]) -> Told:
        data = b""

        def image() -> Image:
            nonlocal data
            data = file()
            check_picture(data)
            return decode(data, max_pixels=self._max_pixels)

        return replace(self._tell_image(image), file=data)

    async def do(self, work: Callable[[], T]) -> T:
        """Anything that takes long, in its turn among the pictures. Raises what `work` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _tell_image(self, image: Callable[[], Image]) -> Told:
        start_s = time.perf_counter()
        picture = image()
        height, width = picture.shape[:2]
        result = self._model.task.decode(look(self._model, picture), self._model.spec.thresholds)[0]
        return Told(result, (width, height), (time.perf_counter() - start_s) * 1e3, picture)

    def close(self) -> None:
        """Waits for the pictures in hand."""
        self._threads.shutdown(wait=True, cancel_futures=True)
