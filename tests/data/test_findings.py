"""What a look at data finds."""

from jointwise.data.findings import FINE, LOOK, STOP, Finding, group_findings, worst


def test_the_gravest_verdict_counts() -> None:
    found = [Finding("zeros", verdict, "x") for verdict in (LOOK, STOP, FINE)]
    assert worst(found) == STOP
    assert worst(found[::2]) == LOOK
    assert worst([]) == FINE


def test_findings_of_a_check_are_one_group_and_the_gravest_come_first() -> None:
    found = [Finding("jumps", LOOK, "It jumps.", f"r{number}") for number in range(5)]
    found.append(Finding("up axis", STOP, "It stands along z.", "r0"))
    first, second = group_findings(found, {"jumps": "Look at them."})
    assert (first.check, first.verdict, first.count, first.remedy) == ("up axis", STOP, 1, "")
    assert (second.count, second.remedy) == (5, "Look at them.")
    assert [finding.source for finding in second.examples] == ["r0", "r1", "r2"]
