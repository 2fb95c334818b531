"""Stages of `jointwise table` that run in the process of the test, which has imported everything already."""

from jointwise import cli
from jointwise.cli.processes import Stage
from jointwise.errors import JointwiseError


class Ended:
    """A process that has ended."""

    def __init__(self, status: int) -> None:
        self.status = status

    def poll(self) -> int:
        return self.status

    def send_signal(self, sig: int, /) -> None:
        raise AssertionError("it has ended")


def in_process(stage: Stage) -> Ended:
    """Runs a stage's command here, as the command line would."""
    stage.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        cli.run(stage.arguments)
    except JointwiseError as error:
        stage.log.write_text(f"jointwise: {error}\n")
        return Ended(1)
    return Ended(0)
