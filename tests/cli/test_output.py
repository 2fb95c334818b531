"""How commands print."""

import warnings

import pytest

from jointwise.cli.output import grouped_warnings
from jointwise.errors import JointwiseWarning


def warn_of_many() -> None:
    with grouped_warnings():
        for name in ("a", "b"):
            warnings.warn(f"{name}.npz: 3 of 25 joints are missing.", JointwiseWarning, stacklevel=1)
        warnings.warn("of a library", UserWarning, stacklevel=1)


def test_warnings_about_many_recordings_are_one_and_others_pass() -> None:
    with pytest.warns() as caught:
        warn_of_many()
    ours = [str(one.message) for one in caught if issubclass(one.category, JointwiseWarning)]
    assert len(ours) == 1
    assert "2 alike, first: a.npz: 3 of 25 joints are missing." in ours[0]
    assert [str(one.message) for one in caught if one.category is UserWarning] == ["of a library"]


def test_without_a_warning_there_is_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with grouped_warnings():
            pass
