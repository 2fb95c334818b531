"""What goes over the wire between the page and its server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from jointwise.data.conventions import UNITS, UP
from jointwise.data.skeletons import SKELETONS

Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Person = Annotated[int, Field(ge=0, le=1000)]
Label = Annotated[str, Field(min_length=1, max_length=100)]


def encodable(text: str) -> str:
    """Text from a file as it can be sent: halves of characters, which JSON can hold, become question marks.

    Args:
        text: Such as an error that names a joint of the file.

    >>> encodable("joint '\\ud800'")
    "joint '?'"
    """
    return text.encode("utf-8", "replace").decode("utf-8")


Text = Annotated[str, BeforeValidator(encodable)]


class Strict(BaseModel):
    """A message in which unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why a request was not answered.

    Args:
        detail: What is wrong, and what to do.
    """

    detail: Text


class SpanMessage(Strict):
    """What one person does from a time to a time, in seconds from the first frame that is shown."""

    person: Person
    start: Seconds
    end: Seconds
    label: Label
    corrected: bool = False


class SpansMessage(Strict):
    """All labelled spans of a recording."""

    spans: Annotated[list[SpanMessage], Field(max_length=5000)]


class Reading(Strict):
    """What the user says of files that do not say it, or say it wrongly."""

    layout: Literal[tuple(SKELETONS)] | None = None  # type: ignore[valid-type]  # never a path
    fps: Annotated[float, Field(ge=0.1, le=10_000, allow_inf_nan=False)] | None = None
    units: Literal[tuple(UNITS)] | None = None  # type: ignore[valid-type]
    up: Literal[tuple(UP)] | None = None  # type: ignore[valid-type]

    def options(self) -> dict[str, Any]:
        """What was said, as arguments of `jointwise.read`."""
        return self.model_dump(exclude_none=True)


class Summary(BaseModel):
    """A recording that is open."""

    id: str
    name: Text
    persons: int
    frames: int
    fps: float
    seconds: float
    joints: Text
    truth: Text | None


class Uploaded(BaseModel):
    """What was read of an upload, and what is wrong with the rest of it."""

    recordings: list[Summary]
    problems: list[Text]


class FindingGroup(BaseModel):
    """Findings of one check."""

    check: Text
    verdict: Text
    count: int
    messages: list[Text]
    remedy: Text


class View(BaseModel):
    """A recording to be watched: the viewer as HTML, and what is known about it."""

    html: Text
    recording: Summary
    spans: list[SpanMessage]
    notes: list[Text]
    findings: list[FindingGroup]


class Moment(BaseModel):
    """A span of a recording to be watched, with what the model says of it."""

    html: Text
    notes: list[Text]


class ModelAbout(BaseModel):
    """What a model is."""

    name: str
    system: str
    data: str
    terms: str
    classes: list[str]
    taught: list[str]
    names_actions: bool
    joints: str
    window: float


class About(BaseModel):
    """What this page can do."""

    version: str
    models: list[ModelAbout]
    data: str | None
    upload_megabytes: float
    layouts: list[str]
    units: list[str]
    ups: list[str]


class Lesson(Strict):
    """An action that the model is taught by the spans that are labelled so."""

    name: Label
    keep: bool = False


class DataRecording(BaseModel):
    """A recording of the data set that is browsed."""

    name: Text
    label: Text | None
    subject: int | None
    frames: int
    persons: int
    fps: float
    seen: float


class Data(BaseModel):
    """The data set that is browsed, with what `doctor` says of it."""

    name: Text
    verdict: Text
    fine: list[Text]
    findings: list[FindingGroup]
    recordings: list[DataRecording]


class Chosen(Strict):
    """A recording of the data set that is browsed."""

    name: Annotated[str, Field(min_length=1, max_length=1000)]
