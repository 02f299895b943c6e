"""One batch on several cores: each thread takes a share of the pictures through its own copy of the network.

The copies share one set of weights, and what each learned from its share is added up in a fixed order, so the same
number of shares gives the same weights every time. Small layers gain little from several threads each, and stall
when another program takes one of the cores: docs/log.md has the measurements. Normalisation sees one share at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import nn

SMALLEST = 16
"""Pictures of a share: batch normalisation needs enough of them to know their mean and spread."""

Part = TypeVar("Part")
Result = TypeVar("Result")


def count_shares(threads: int, batch: int) -> int:
    """How many shares a batch is cut into on so many threads."""
    return max(1, min(threads, batch // SMALLEST))


class Shares:
    """Copies of a network that train as one.

    network: holds the weights; its own running statistics are those of the first share. count: of shares; each runs
    on `threads // count` threads, in this process.
    """

    def __init__(self, network: nn.Module, count: int, threads: int) -> None:
        self.copies = [network]
        for _ in range(count - 1):
            twin = copy.deepcopy(network)
            for mine, theirs in zip(network.parameters(), twin.parameters(), strict=True):
                theirs.data = mine.data
            self.copies.append(twin)
        self._pool = ThreadPoolExecutor(max(1, count - 1), "share")
        self._threads = torch.get_num_threads()
        if count > 1:
            torch.set_num_threads(max(1, threads // count))

    def __len__(self) -> int:
        return len(self.copies)

    def rows(self, count: int) -> list[slice]:
        """Where each share lies in a batch of `count` pictures."""
        each = len(self.copies)
        return [slice(k * count // each, (k + 1) * count // each) for k in range(each)]

    def run(self, work: Callable[[nn.Module, Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Call `work(copy, part)`, which goes backward, once a share; then the gradients are those of the sum.

        The first runs on this thread.
        """
        for twin in self.copies[1:]:
            twin.zero_grad(set_to_none=True)
        others = [self._pool.submit(work, *pair) for pair in zip(self.copies[1:], parts[1:], strict=True)]
        results = [work(self.copies[0], parts[0]), *(other.result() for other in others)]
        self._add_up()
        return results

    def _add_up(self) -> None:
        for twin in self.copies[1:]:
            for mine, theirs in zip(self.copies[0].parameters(), twin.parameters(), strict=True):
                if theirs.grad is not None:
                    mine.grad = theirs.grad if mine.grad is None else mine.grad.add_(theirs.grad)

    def close(self) -> None:
        """End the threads; torch gets back those it had."""
        self._pool.shutdown()
        torch.set_num_threads(self._threads)
