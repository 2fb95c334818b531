"""Runs cases: a damaged copy of a file is read, in limits of memory and time. One line of JSON per case on stdout."""

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

from jointwise.data.native.process import _COMMAND

MEMORY = 1_000_000_000  # bytes that a case may take beside what the process has at its start
SECONDS = 10.0  # of a processor, for a case: other programs may need it, too
LONGEST_MESSAGE = 20_000  # characters
_RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect", "ctypes.dlopen")


class Late(BaseException):
    """A case takes too long."""


class Watch:
    """Notes what data make Python do that reading does not: other programs, connections, files elsewhere."""

    def __init__(self, allowed: Path) -> None:
        self.allowed = str(allowed)
        self.seen = ""
        self.on = False
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in _RUNS and not (event == "subprocess.Popen" and _COMMAND in args[1]):
            self.seen = f"{event} {args[:1]}"
        elif event == "open" and isinstance(args[0], str | bytes) and isinstance(args[2], int):
            place = os.path.abspath(os.fsdecode(args[0]))
            writes = args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not place.startswith((self.allowed, "/dev/")):
                self.seen = f"writes {place}"


def damage(target: Any, folder: Path, name: str, case: int, seed: int) -> tuple[Path, bytes]:
    """The file that a case damages, and what it then holds; the same for the same seed."""
    from fuzz.mutations import mutate

    rng = random.Random(f"{seed} {name} {case}")
    files = target.files(folder)
    file, other = rng.choice(files), rng.choice(files)
    return file, mutate(file.read_bytes(), file.name, rng, other.read_bytes())


def outcome(target: Any, folder: Path, watch: Watch) -> tuple[str, str]:
    """The class of what reading a folder ends with, and details for what should not be."""
    from jointwise.errors import JointwiseError

    watch.seen, watch.on = "", True
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        target.read(folder)
        found = "valid", ""
    except JointwiseError as error:
        long = len(str(error)) > LONGEST_MESSAGE
        found = ("foreign", f"a message of {len(str(error))} characters") if long else ("our error", "")
    except MemoryError:
        found = "blow-up", _where()
    except Late:
        found = "hang", _where()
    except BaseException:
        found = "foreign", _where()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        watch.on = False
    return ("code run", watch.seen) if watch.seen else found


def _where() -> str:
    """The error, and the last line of jointwise that it went through."""
    kind, error, trace = sys.exc_info()
    frames = [frame for frame in traceback.extract_tb(trace) if "/jointwise/" in frame.filename]
    place = f"{frames[-1].filename.rpartition('/jointwise/')[2]}:{frames[-1].lineno}" if frames else "?"
    return f"{kind.__name__ if kind else ''} in {place}: {str(error)[:200]}"


def _late(*_: Any) -> None:
    raise Late


def main() -> None:
    """Reads requests from stdin: [target, first case, last case + 1, seed, folder of a found input or null]."""
    warnings.simplefilter("ignore")
    from fuzz.targets import TARGETS

    os.environ["JOINTWISE_FILE_SECONDS"] = str(SECONDS / 2)  # of the process that reads for this one
    samples = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    signal.signal(signal.SIGPROF, _late)
    with tempfile.TemporaryDirectory() as place:
        watch = Watch(Path(place))
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
        for line in sys.stdin:
            name, begin, end, seed, found = json.loads(line)
            folder = Path(place, "case")
            shutil.copytree(samples / name, folder)
            for case in range(begin, end):
                if found:
                    shutil.copytree(found, folder, dirs_exist_ok=True)
                    before = None
                else:
                    file, content = damage(TARGETS[name], folder, name, case, seed)
                    before = file.read_bytes()
                    file.write_bytes(content)
                kind, why = outcome(TARGETS[name], folder, watch)
                if before is not None:
                    file.write_bytes(before)
                print(json.dumps([case, kind, why]), file=answers, flush=True)
            shutil.rmtree(folder)
            print("null", file=answers, flush=True)


if __name__ == "__main__":
    main()
