"""The routes of the page: what a browser may ask, and what it is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, HTTPException, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.routing import Match
from starlette.types import ASGIApp

import jointwise
from jointwise.data.conventions import UNITS, UP
from jointwise.data.findings import Group
from jointwise.data.skeletons import SKELETONS
from jointwise.errors import ConfigError, JointwiseError, StorageError
from jointwise.report.viewer import viewer_files
from jointwise.serve.camera import add_camera
from jointwise.serve.desk import Desk, NotOpen, Open
from jointwise.serve.guard import UPLOADS, Guard
from jointwise.serve.live import add_stream
from jointwise.serve.messages import (
    About,
    Chosen,
    Data,
    DataRecording,
    FindingGroup,
    Label,
    Lesson,
    ModelAbout,
    Moment,
    Person,
    Problem,
    Reading,
    Seconds,
    SpanMessage,
    SpansMessage,
    Summary,
    Uploaded,
    View,
    encodable,
)
from jointwise.serve.readers import Readers
from jointwise.serve.spans import Span, as_csv, as_dataset, as_json

STATIC = Path(__file__).parent / "static"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def create_app(desk: Desk, host: str = "127.0.0.1") -> ASGIApp:
    """The page as an application.

    Args:
        desk: What is open on it.
        host: The host that it is served on; requests must name it, see `Guard`.

    Returns:
        The application, behind its guard.
    """
    return Guard(create_api(desk), host, desk.limits)


def create_api(desk: Desk) -> FastAPI:
    """The routes without their guard; their description is at /api/openapi.json.

    Args:
        desk: What is open on the page.
    """
    readers = Readers(desk.limits)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        readers.warm()
        yield
        readers.close()

    silent: dict[str, Any] = dict.fromkeys(("tracing", "metrics", "logs", "auto_configure"), False)
    app = FastAPI(
        title="jointwise",
        version=jointwise.__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        telemetry=silent,  # type: ignore[arg-type]  # nothing leaves this machine; older versions ignore it
        responses={code: {"model": Problem} for code in (400, 403, 404, 409, 413, 422, 503)},
    )
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(JointwiseError)(_failed)
    app.exception_handler(400)(_no_form)
    app.exception_handler(405)(_other_method)
    _add_files(app)
    _add_recordings(app, desk, readers)
    _add_lessons(app, desk)
    _add_downloads(app, desk)
    _add_data(app, desk)
    add_stream(app, desk)
    add_camera(app)

    return app


def _add_files(app: FastAPI) -> None:
    """The page itself, its scripts, and those of the viewer."""
    files = {path.name: path for path in STATIC.iterdir()} | viewer_files()

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(files["index.html"], media_type="text/html")

    @app.get("/static/{name}", include_in_schema=False)
    def file(name: str) -> FileResponse:
        if name not in files:
            raise HTTPException(404, f"no file '{name}'.")
        return FileResponse(files[name], media_type=KINDS.get(files[name].suffix))


def _add_lessons(app: FastAPI, desk: Desk) -> None:
    """What the page can do, and what its model is taught."""

    @app.get("/api/about")
    def about() -> About:
        """What this page can do."""
        return About(
            version=jointwise.__version__,
            models=[ModelAbout(**model) for model in desk.models.about()],
            data=desk.data,
            upload_megabytes=desk.limits.upload_bytes / 1e6,
            layouts=list(SKELETONS),
            units=list(UNITS),
            ups=list(UP),
        )

    @app.post("/api/classes", status_code=201)
    def teach(lesson: Lesson) -> ModelAbout:
        """Teach the model an action by all spans that are labelled so."""
        desk.teach(lesson.name, lesson.keep)
        return ModelAbout(**desk.models.about()[0])

    @app.delete("/api/classes")
    def forget(name: Annotated[Label, Query()], keep: bool = False) -> ModelAbout:
        """Remove an action that the model was taught."""
        desk.forget(name, keep)
        return ModelAbout(**desk.models.about()[0])


def _add_recordings(app: FastAPI, desk: Desk, readers: Readers) -> None:
    """Uploads, views, moments and corrections."""

    @app.post(UPLOADS, status_code=201)
    def upload(
        files: Annotated[list[UploadFile], File(min_length=1, description="a recording, or several")],
        reading: Annotated[Reading, Query()],
    ) -> Uploaded:
        """Open recordings. Files that hold one frame each are one recording."""
        read = readers.read([(file.filename or "", file.file) for file in files], reading.options())
        opened: list[Open] = []
        problems = list(read.problems)
        for recording in read.recordings:
            try:
                opened.append(desk.add(recording))
            except ConfigError:
                if not opened:
                    raise
                problems.append(f"{recording.source}: too many recordings are open. Close some first.")
            except JointwiseError as error:
                if len(read.recordings) == 1:
                    raise
                problems.append(str(error))
        return Uploaded(recordings=[_summary(one) for one in opened], problems=problems)

    @app.get(UPLOADS)
    def list_recordings() -> list[Summary]:
        """The recordings that are open."""
        return [_summary(one) for one in desk.all()]

    @app.delete(UPLOADS + "/{key}", status_code=204)
    def close(key: str) -> Response:
        """Close a recording."""
        desk.close(key)
        return Response(status_code=204)

    @app.get(UPLOADS + "/{key}/view")
    def view(key: str) -> View:
        """A recording to be watched, with what the model says of it."""
        opened = desk.view(key)
        return View(
            html=opened.html,
            recording=_summary(opened),
            spans=_spans(opened),
            notes=opened.notes,
            findings=[_group(group) for group in desk.findings(key)],
        )

    @app.get(UPLOADS + "/{key}/moment")
    def moment(key: str, start: Seconds, end: Seconds, person: Person | None = None) -> Moment:
        """A span of a recording: the likeliest actions, what they rest on, the nearest training clips."""
        html, notes = desk.moment(key, person, start, end)
        return Moment(html=html, notes=notes)

    @app.put(UPLOADS + "/{key}/spans")
    def label(key: str, message: SpansMessage) -> SpansMessage:
        """Put corrected spans in the place of those of a recording."""
        opened = desk.label(key, [Span(**span.model_dump()) for span in message.spans])
        return SpansMessage(spans=_spans(opened))


def _add_downloads(app: FastAPI, desk: Desk) -> None:
    """The labels of all open recordings, as files."""

    def as_file(content: str | bytes, kind: str, name: str) -> Response:
        return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})

    def kind_of(media: str) -> Any:
        return {200: {"content": {media: {}}}}

    @app.get("/api/labels.json", response_class=Response, responses=kind_of("application/json"))
    def labels_json() -> Response:
        """All labelled spans."""
        return as_file(as_json(desk.labelled()), "application/json", "labels.json")

    @app.get("/api/labels.csv", response_class=Response, responses=kind_of("text/csv"))
    def labels_csv() -> Response:
        """All labelled spans as a table."""
        return as_file(as_csv(desk.labelled()), "text/csv; charset=utf-8", "labels.csv")

    @app.get("/api/dataset.zip", response_class=Response, responses=kind_of("application/zip"))
    def dataset() -> Response:
        """A data set of all labelled spans: clips, labels.csv and dataset.yaml."""
        return as_file(as_dataset(desk.labelled(), desk.terms), "application/zip", "dataset.zip")


def _add_data(app: FastAPI, desk: Desk) -> None:
    """The data set that is browsed."""

    @app.get("/api/data")
    def data() -> Data:
        """The recordings of the data set, and what spoils a training with it."""
        found = desk.examination()
        classes = found.source.description.classes if found.source else ()
        return Data(
            name=found.place,
            verdict=found.verdict,
            fine=found.fine,
            findings=[_group(group) for group in found.groups],
            recordings=[
                DataRecording(
                    name=look.name,
                    label=classes[look.label] if look.label is not None and 0 <= look.label < len(classes) else None,
                    subject=look.subject,
                    frames=look.frames,
                    persons=look.persons,
                    fps=look.fps,
                    seen=round(look.seen, 4),
                )
                for look in found.recordings
            ],
        )

    @app.post("/api/data", status_code=201)
    def open_from_data(chosen: Chosen) -> Summary:
        """Open a recording of the data set."""
        return _summary(desk.add_from_data(chosen.name))


def _summary(opened: Open) -> Summary:
    return Summary(**opened.summary())


def _spans(opened: Open) -> list[SpanMessage]:
    return [SpanMessage(**vars(span)) for span in opened.spans]


def _group(group: Group) -> FindingGroup:
    messages = [f"{one.source}: {one.message}" if one.source else one.message for one in group.examples]
    return FindingGroup(
        check=group.check, verdict=group.verdict, count=group.count, messages=messages, remedy=group.remedy
    )


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """A request that is none: the first thing that is wrong with it, as a sentence."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return JSONResponse({"detail": encodable(f"{where}: {first['msg']}.")}, 422)


async def _no_form(_request: Request, error: Exception) -> JSONResponse:
    """A body that cannot be taken apart; what starlette says of too many files says not what to do."""
    detail = str(getattr(error, "detail", error))
    if detail.startswith("Too many files"):
        detail = (
            "an upload may have 1,000 files at most. Upload fewer at once; or make one recording of the folder on the "
            "command line, and upload that: jointwise convert FOLDER --out DIR."
        )
    return JSONResponse({"detail": detail}, 400)


async def _other_method(request: Request, _error: Exception) -> JSONResponse:
    """A method that an address does not take: those that it takes, of all its routes."""
    methods: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    allowed = ", ".join(sorted(methods))
    return JSONResponse({"detail": f"this address takes {allowed}, not {request.method}."}, 405, {"allow": allowed})


async def _failed(_request: Request, error: Exception) -> JSONResponse:
    """An error that the user can do something about."""
    kinds = ((NotOpen, 404), (ConfigError, 409), (StorageError, 503))
    status = next((status for kind, status in kinds if isinstance(error, kind)), 422)
    return JSONResponse({"detail": encodable(str(error))}, status)
