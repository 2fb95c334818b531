"""Names that files give, and that become parts of paths: of data sets, splits and systems."""

from __future__ import annotations

import re

from jointwise.errors import JointwiseError

_LONGEST = 100  # characters; folders of runs join several names
_NAME = re.compile(r"(?!\.+$)[\w .,+()=@~-]+")  # no / and no \\, and not only dots


def check_name(name: object, where: str, error: type[JointwiseError]) -> str:
    """Check a name that a file gives before it becomes part of a path.

    Args:
        name: What the file says.
        where: File and place in it, for the message.
        error: Raised where it is no name.

    Returns:
        The name.

    >>> check_name("xsub", "store.json: split", JointwiseError)
    'xsub'
    """
    if isinstance(name, str) and len(name) <= _LONGEST and _NAME.fullmatch(name):
        return name
    shown = repr(name if not isinstance(name, str) or len(name) <= _LONGEST else f"{name[:_LONGEST]}…")
    raise error(
        f"{where}: {shown} is no name. Names have up to {_LONGEST} letters, digits, spaces and -_.,+()=@~, because "
        "runs and results are called by them."
    )
