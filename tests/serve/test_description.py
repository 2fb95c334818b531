"""The routes keep their description: schemathesis asks each what it may be asked, and what it may not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers import tiny
from helpers.served import Served, serving
from jointwise.serve.desk import Desk
from jointwise.serve.limits import Limits
from jointwise.serve.models import Models

EXAMPLES = 12  # of each route, beside those that go through the bounds of every value
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)  # and not positive_data_acceptance: a description cannot say what a recording is
OPEN = """
[[operations]]
include-path-regex = "/recordings/.key./"  # with something behind it: what closes a recording is asked for others
parameters = {{ "path.key" = {key} }}
"""


@pytest.fixture(scope="module")
def page(finetuned: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page with a model, a folder to browse, and a recording that is open."""
    folder = tmp_path_factory.mktemp("browsed")
    walk = tiny.walk(1, 2, 1)
    np.savez(folder / "walk.npz", positions=walk.positions, joints=walk.skeleton.joints)
    with serving(Desk(Models((str(finetuned),)), Limits(), f"{folder}/")) as served:
        served.open(folder / "walk.npz")
        yield served


@pytest.mark.slow
def test_every_route_answers_as_it_is_described(page: Served, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(OPEN.format(key=json.dumps(page.desk.all()[0].key)))
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{page.address}api/openapi.json"]
    options = [f"--checks={','.join(CHECKS)}", f"--max-examples={EXAMPLES}", "--generation-deterministic", "--no-color"]
    options.append("--request-timeout=300")  # the machine may be busy
    done = subprocess.run(
        [*command, *options, "--continue-on-failure"],
        cwd=tmp_path,  # it writes caches
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 14\n" in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "methods"),
    [("/api/classes", "DELETE, POST"), ("/api/data", "GET, POST"), ("/api/recordings", "GET, POST"), ("/", "GET")],
)
def test_an_address_names_all_its_methods_to_who_asks_by_another(page: Served, path: str, methods: str) -> None:
    reply = page.ask("PATCH", path)
    assert (reply.status, reply.headers["allow"]) == (405, methods)
    assert reply.detail == f"this address takes {methods}, not PATCH."
