"""Processes that end with the one that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.processes import is_running

CHILD = """
import time
from jointwise.cli.process_group import end_with_parent
end_with_parent()
print("ready", flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys, time
os.environ["JOINTWISE_PARENT"] = str(os.getpid() + int(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc whether a process lives")
@pytest.mark.parametrize("own", [True, False])
def test_a_stage_ends_with_the_table_that_was_killed_and_another_process_goes_on(own: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, "0" if own else "1"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    try:
        until = time.monotonic() + (20 if own else 2)
        while is_running(child) and time.monotonic() < until:
            time.sleep(0.05)
        assert is_running(child) != own
    finally:
        if is_running(child):
            os.kill(child, signal.SIGKILL)
