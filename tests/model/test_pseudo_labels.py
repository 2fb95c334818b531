"""Pseudo-labels: by hand, and the same from parts of a batch."""

import pytest
import torch

from jointwise.model.pseudo_labels import PseudoLabels


def test_labels_are_those_of_probabilities_over_the_prior_and_the_prior_follows_their_raw_mean() -> None:
    pseudo = PseudoLabels(2, threshold=0.6, momentum=0.5)
    probabilities = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.59, 0.41]])
    labels, used = pseudo(probabilities, 3)
    assert labels.tolist() == [0, 0, 0]
    assert used.tolist() == [True, True, False]  # a uniform prior changes nothing
    torch.testing.assert_close(pseudo.prior, torch.tensor([0.615, 0.385]))  # half of (.5, .5) and of (.73, .27)
    pseudo.prior.copy_(torch.tensor([0.8, 0.2]))
    labels, used = pseudo(probabilities, 3)
    # 9/8 : 1/2, 7/8 : 3/2, 0.7375 : 2.05
    assert labels.tolist() == [0, 1, 1]
    assert used.tolist() == [True, True, True]
    torch.testing.assert_close(pseudo.prior, torch.tensor([0.765, 0.235]))  # of (.8, .2) and again of (.73, .27)


def test_a_class_that_is_never_named_makes_no_number_infinite() -> None:
    pseudo = PseudoLabels(3, threshold=0.6, momentum=0.0)
    certain = torch.tensor([[1.0, 0.0, 0.0]])
    for _ in range(3):
        labels, used = pseudo(certain, 1)
        assert (labels.tolist(), used.tolist()) == ([0], [True])
    assert pseudo.prior.tolist() == [1, 0, 0]


def test_parts_of_a_batch_move_the_prior_as_the_whole_does() -> None:
    probabilities = torch.rand(6, 4).softmax(1)
    whole = PseudoLabels(4, 0.2, 0.9)
    expected = whole(probabilities, 6)
    total = probabilities.sum(0)
    for part in (slice(0, 2), slice(2, 6)):
        share = PseudoLabels(4, 0.2, 0.9)
        labels, used = share(probabilities[part], 6, lambda _: total)
        assert torch.equal(labels, expected[0][part])
        assert torch.equal(used, expected[1][part])
        torch.testing.assert_close(share.prior, whole.prior)
    assert whole.prior.sum().item() == pytest.approx(1)
    assert "prior" in whole.state_dict()
