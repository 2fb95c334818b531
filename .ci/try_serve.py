"""Tries the page of an installed jointwise: python try_serve.py JOINTWISE RUN CLIP.

It starts, shows itself, names what is in an uploaded clip (joints as NTU has them), and ends with Ctrl-C.
"""

import json
import re
import signal
import subprocess
import sys
from typing import Any
from urllib.request import Request, urlopen

BOUNDARY = "a-boundary-of-parts"


def ask(address: str, path: str, body: bytes | None = None) -> bytes:
    """What the page answers; `body` is that of an upload."""
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"} if body else {}
    with urlopen(Request(f"{address}{path}", body, headers), timeout=60) as reply:
        answer: bytes = reply.read()
    return answer


def named(address: str, clip: str) -> list[dict[str, Any]]:
    """What the page names in a clip."""
    assert ask(address, "").startswith(b"<!doctype html>"), "/ is not the page"
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="files"; filename="{clip}"\r\n\r\n'.encode()
    with open(clip, "rb") as file:
        body = head + file.read() + f"\r\n--{BOUNDARY}--\r\n".encode()
    (opened,) = json.loads(ask(address, "api/recordings?layout=ntu25&fps=30", body))["recordings"]
    classes = json.loads(ask(address, "api/about"))["models"][0]["classes"]
    spans: list[dict[str, Any]] = json.loads(ask(address, f"api/recordings/{opened['id']}/view"))["spans"]
    assert spans, "nothing was named"
    assert {span["label"] for span in spans} <= set(classes), f"{spans}: not classes of the model"
    return spans


def main() -> None:
    """The command."""
    jointwise, run, clip = sys.argv[1:]
    page = subprocess.Popen([jointwise, "serve", run, "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert page.stdout is not None
        said = page.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert address is not None, f"serve printed no address: {said!r}"
        for span in named(address[0], clip):
            print(f"serve: {clip}, {span['start']:.1f} to {span['end']:.1f} s: {span['label']}")
        page.send_signal(signal.SIGINT)
        assert page.wait(30) == 0, f"serve ended with {page.returncode} after Ctrl-C"
    finally:
        page.kill()
        page.wait()


if __name__ == "__main__":
    main()
