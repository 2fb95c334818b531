"""What a process with limits is asked to do in tests."""

import os
import signal
import time
from typing import Any

import numpy as np


def work(do: str, number: float = 0, **_: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Answer, or end in a way that no answer comes."""
    if do == "answer":
        print("libraries may print")
        return {"text": "\udcff", "pid": os.getpid()}, [np.arange(6.0).reshape(2, 3).T, np.zeros((0, 2), bool)]
    if do == "hang":
        time.sleep(60)
    elif do == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif do == "grow":
        return {"size": len(bytearray(int(number)))}, []
    elif do == "leave":
        os._exit(3)
    raise KeyError(do)


def hang(**_: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """A library that does not end."""
    return work("hang")


def crash(**_: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """A library that ends its process."""
    return work("crash")


def size_of(path: str) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Bytes of a file."""
    return {"size": os.path.getsize(path)}, []
