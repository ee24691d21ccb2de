"""Random numbers that depend on what they are for, not on the order in which they are drawn.

Each number is a hash of (seed, purpose, key of the thing): order 17 of customer 42 gets the same numbers whatever
else is generated. A shop generated up to a later day therefore has the same earlier rows. What the numbers are
used for belongs to the other modules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _scramble(bits: Keys) -> Keys:
    """Mix 64 bits so that neighbouring inputs give unrelated outputs (the finalizer of SplitMix64); works in place."""
    bits ^= bits >> np.uint64(30)
    bits *= _FIRST
    bits ^= bits >> np.uint64(27)
    bits *= _SECOND
    bits ^= bits >> np.uint64(31)
    return bits


class Draws:
    """Reproducible random numbers for arrays of keys.

    Args:
        seed: equal seeds give equal numbers on every machine.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _purpose(self, name: str) -> np.uint64:
        digest = hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()
        return np.uint64(int.from_bytes(digest, "little"))

    def keys(self, kind: str, *parts: npt.NDArray[np.generic] | int) -> Keys:
        """Return one key for each thing of a kind, made of its integer parts (at least one an array)."""
        arrays = np.broadcast_arrays(*[np.asarray(part).astype(np.uint64) for part in parts])
        bits = np.full(arrays[0].shape, self._purpose(kind), dtype=np.uint64)
        for part in arrays:
            bits += part
            bits += _GOLDEN
            bits = _scramble(bits)
        return bits

    def bits(self, purpose: str, keys: Keys) -> Keys:
        """Return 64 random bits for each key."""
        return _scramble(keys ^ self._purpose(purpose))

    def uniform(self, purpose: str, keys: Keys) -> Floats:
        """Return numbers strictly between 0 and 1."""
        return ((self.bits(purpose, keys) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def flag(self, purpose: str, keys: Keys, probability: float | Floats) -> Flags:
        """Return TRUE with the given probability."""
        result: Flags = self.uniform(purpose, keys) < probability
        return result

    def integer(self, purpose: str, keys: Keys, low: int, high: int) -> Ints:
        """Return integers from low to high, both included, each equally likely."""
        return low + (self.uniform(purpose, keys) * (high - low + 1)).astype(np.int64)

    def choice(self, purpose: str, keys: Keys, weights: Sequence[float] | Floats) -> Ints:
        """Return positions 0..n-1 with probabilities in proportion to the weights."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64))
        picked = np.searchsorted(edges, self.uniform(purpose, keys) * edges[-1], side="right")
        result: Ints = np.minimum(picked, len(edges) - 1)
        return result

    def exponential(self, purpose: str, keys: Keys) -> Floats:
        """Return exponential waiting times with mean 1."""
        return -np.log(self.uniform(purpose, keys))

    def normal(self, purpose: str, keys: Keys) -> Floats:
        """Return standard normal numbers (Box and Muller 1958)."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(f"{purpose}/radius", keys)))
        return radius * np.cos(2.0 * np.pi * self.uniform(f"{purpose}/angle", keys))

    def geometric(self, purpose: str, keys: Keys, probability: float | Floats) -> Ints:
        """Return the number of failures before the first success."""
        waits = np.log(self.uniform(purpose, keys)) / np.log1p(-np.asarray(probability, dtype=np.float64))
        return np.floor(waits).astype(np.int64)

    def poisson(self, purpose: str, keys: Keys, mean: float | Floats) -> Ints:
        """Return Poisson counts by inversion; above a mean of 500 by the normal approximation."""
        means = np.broadcast_to(np.asarray(mean, dtype=np.float64), keys.shape)
        approximate = np.maximum(np.rint(means + np.sqrt(means) * self.normal(f"{purpose}/large", keys)), 0)
        counts = np.where(means > 500.0, approximate, 0.0).astype(np.int64)
        remaining = self.uniform(purpose, keys)
        probability = np.exp(-np.minimum(means, 500.0))
        open_ = means <= 500.0
        step = 0
        while True:
            remaining = remaining - np.where(open_, probability, 0.0)
            open_ = open_ & (remaining > 0.0) & (step < 2000)
            if not open_.any():
                return counts
            step += 1
            counts[open_] += 1
            probability = probability * means / step

    def gamma(self, purpose: str, keys: Keys, shape: float | Floats) -> Floats:
        """Return Gamma(shape, 1) numbers (Marsaglia and Tsang 2000, with their boost for shapes below 1)."""
        shapes = np.broadcast_to(np.asarray(shape, dtype=np.float64), keys.shape)
        small = shapes < 1.0
        d = np.where(small, shapes + 1.0, shapes) - 1.0 / 3.0
        c = 1.0 / np.sqrt(9.0 * d)
        result = np.zeros(keys.shape)
        todo = np.arange(len(keys))
        attempt = 0
        while len(todo):
            x = self.normal(f"{purpose}/{attempt}", keys[todo])
            v = np.maximum(1.0 + c[todo] * x, 0.0) ** 3
            u = self.uniform(f"{purpose}/{attempt}/accept", keys[todo])
            safe = np.where(v > 0.0, v, 1.0)
            accepted = (v > 0.0) & (np.log(u) < 0.5 * x * x + d[todo] * (1.0 - v + np.log(safe)))
            result[todo[accepted]] = (d[todo] * v)[accepted]
            todo = todo[~accepted]
            attempt += 1
        boost = self.uniform(f"{purpose}/boost", keys) ** (1.0 / shapes)
        return np.where(small, result * boost, result)

    def beta(self, purpose: str, keys: Keys, a: float, b: float) -> Floats:
        """Return Beta(a, b) numbers."""
        first = self.gamma(f"{purpose}/a", keys, a)
        return first / (first + self.gamma(f"{purpose}/b", keys, b))


def expand(counts: Ints) -> tuple[Ints, Ints]:
    """Return for each of sum(counts) children the position of its parent and its own number, from 0."""
    parents = np.repeat(np.arange(len(counts)), counts)
    firsts = np.cumsum(counts) - counts
    return parents, np.arange(len(parents)) - firsts[parents]


T = TypeVar("T", bound=np.generic)


def look_up(values: npt.NDArray[T], positions: Ints, otherwise: float | npt.NDArray[T]) -> npt.NDArray[T]:
    """Return the values at some positions, and `otherwise` where a position is negative."""
    fallback = np.broadcast_to(np.asarray(otherwise, dtype=values.dtype), positions.shape)
    if not len(values):
        return fallback.copy()
    return np.where(positions >= 0, values[np.maximum(positions, 0)], fallback)
