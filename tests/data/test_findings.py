"""What a look at data finds."""

from jointwise.data.findings import FINE, LOOK, STOP, Finding, worst


def test_the_gravest_verdict_counts() -> None:
    found = [Finding("zeros", verdict, "x") for verdict in (LOOK, STOP, FINE)]
    assert worst(found) == STOP
    assert worst(found[::2]) == LOOK
    assert worst([]) == FINE
