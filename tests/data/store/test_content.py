"""Digests and fingerprints: what they depend on, and what not."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import tiny
from jointwise.data.store.content import digest, fingerprint
from jointwise.data.store.reader import INDEX


def test_a_digest_depends_on_coordinates_and_on_what_was_seen() -> None:
    one = tiny.walk(0, 1, 1)
    assert digest(one) == digest(replace(one, label=3, subject=9, source="elsewhere"))
    seen = one.validity.copy()
    seen[0, 0, 0] ^= True  # the coordinates there stay as they are
    moved = one.positions.copy()
    moved[0, 0, 0, 0] += 1e-6
    turned = replace(one, positions=one.positions[..., ::-1])
    others = [digest(replace(one, valid=seen)), digest(replace(one, positions=moved)), digest(turned)]
    assert len({digest(one), *others}) == 4


@pytest.mark.parametrize("name", ["frames", "persons", "label", "subject", "camera"])
def test_a_fingerprint_depends_on_digests_and_on_every_number_of_a_sequence(name: str) -> None:
    index = np.zeros(2, INDEX)
    first = fingerprint(["a", "b"], index)
    assert fingerprint(["a", "c"], index) != first != fingerprint(["b", "a"], index)
    moved = index.copy()
    moved["row"][1] = 7  # where the rows lie does not count
    assert fingerprint(["a", "b"], moved) == first
    index[name][1] = 1
    assert fingerprint(["a", "b"], index) != first
