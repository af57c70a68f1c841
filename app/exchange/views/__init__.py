"""The screen on which clients are brought in: upload, look, decide, import, take back."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
import wtforms
from flask import Blueprint, render_template, request, url_for
from flask_wtf.file import FileField

from app.clients.policy import can_import
from app.core.db import db, get_or_404
from app.core.errors import Refused
from app.core.fields import IdSelectField
from app.core.ids import parse_id, parse_whole
from app.core.number_format import FORMATS
from app.core.permissions import authorize
from app.core.web import Answer, Form, form_id, me, page_number, redirect_to, submit
from app.desk.guard import guard, once_confirmed
from app.exchange.clients.commands import (
    Tally,
    amounts_in,
    delete_mapping,
    digest_of_plan,
    errors_of,
    keep_import,
    map_columns,
    plan_import,
    read_anew,
    read_import,
    rename_mapping,
    save_mapping,
    start_import,
    undo_import,
    use_mapping,
    warnings_of,
)
from app.exchange.clients.compare import Action, Planned
from app.exchange.clients.formats import SOURCE_NAMES, TARGETS, Source, targets_of
from app.exchange.clients.queries import PER_PAGE, list_brought, list_mappings, mappings_for, taken_back
from app.exchange.encodings import CHOICES
from app.exchange.files import Chosen
from app.exchange.models import ClientImport, ColumnMapping
from app.firm.queries import list_offices
from app.people.models import Person
from app.runs.models import ItemState, Run, RunItem

blueprint = guard(Blueprint("imports", __name__, url_prefix="/clients/import"))
SHOWN = 200


class UploadForm(Form):
    id = wtforms.HiddenField()
    file = FileField("File")
    office_id = IdSelectField("Office of new clients")

    def prepare(self) -> None:
        offices = list_offices()
        self.office_id.offer([(office.id, office.name) for office in offices])
        if not self.is_submitted():
            self.office_id.data = me().office_id or offices[0].id


def _import(import_id: UUID) -> ClientImport:
    authorize(me(), can_import)
    return get_or_404(sa.select(ClientImport).where(ClientImport.id == import_id))


def _start_page(form: UploadForm) -> str:
    past = db.session.execute(
        sa.select(ClientImport.id, ClientImport.file_name, ClientImport.source, ClientImport.created_at,
                  ClientImport.run_id, ClientImport.undo_run_id, Person.name)
        .outerjoin(Person, Person.id == ClientImport.created_by).order_by(ClientImport.created_at.desc()).limit(30)
    ).all()
    form.id.data = str(form_id(form))
    kept = list_mappings(seen_by=me())
    return render_template("exchange/index.html", form=form, past=past, sources=SOURCE_NAMES, kept=kept)


@blueprint.get("")
def index() -> Answer:
    authorize(me(), can_import)
    form = UploadForm()
    form.prepare()
    return _start_page(form)


@blueprint.post("")
def create() -> Answer:
    authorize(me(), can_import)
    form = UploadForm()
    form.prepare()
    import_id = form_id(form)

    def keep() -> None:
        upload = form.file.data
        if not upload or not upload.filename:
            raise Refused("Choose a file.", field="file")
        found = read_import(import_id, upload.filename, upload.read(), form.office_id.data, by=me())
        keep_import(found, by=me())

    if submit(form, keep):
        return redirect_to(url_for("imports.show", import_id=import_id))
    return _start_page(form), 422


@blueprint.get("/<uuid:import_id>")
def show(import_id: UUID) -> Answer:
    found = _import(import_id)
    return _done_page(found) if found.run_id else _plan_page(found)


def _plan_page(found: ClientImport, problem: str = "", field: str = "") -> str:
    source = Source(found.source)
    planned: list[Planned] = []
    try:
        planned = plan_import(found, seen_by=me())
    except Refused as refusal:
        problem = problem or refusal.message
    examples = {
        column: str(next((row[at] for row in found.rows if row[at]), "")) for at, column in enumerate(found.header)
    }
    used = [column for column in found.header if examples[column] or column in found.mapping]
    return render_template(
        "exchange/plan.html", found=found, source=SOURCE_NAMES[source], problem=problem, field=field,
        is_own=source is Source.FIRMAMENT, sources=list(SOURCE_NAMES.items()), foreseen=digest_of_plan(found, planned),
        tally=Tally.of(planned), errors=errors_of(planned)[:SHOWN], warnings=warnings_of(found, planned)[:SHOWN],
        examples=examples, used=used,
        empty=[column for column in found.header if column not in used], targets=targets_of(source),
        offices=list_offices(),
        matches=[one for one in planned if one.action is Action.MATCH],
        amounts=amounts_in(found), number_formats=[("", "As the file shows"), *((key, key) for key in FORMATS)],
        fresh=[one for one in planned if one.action is Action.CREATE][:20],
        unknown=[one for one in planned if one.action is Action.UNKNOWN], **_changes(planned),
        mappings=mappings_for(found, seen_by=me()), save_as=request.form.get("save_as", ""), **_reading(found),
    )


def _reading(found: ClientImport) -> dict[str, object]:
    """How the file was read and can be read anew, with its first lines."""
    reading, encoding = found.reading, found.reading.get("encoding", "")
    return {
        "top": reading.get("top", []), "header_line": reading.get("header_line"), "sheet": reading.get("sheet", ""),
        "sheets": reading.get("sheets", []), "encoding": encoding,
        "encodings": list(CHOICES.items()) if encoding else [],
    }


def _changes(planned: list[Planned]) -> dict[str, object]:
    """A page of the clients that would change, and the lines of those that would not."""
    updates = [one for one in planned if one.action is Action.UPDATE]
    page = page_number()
    shown = updates[(page - 1) * SHOWN : page * SHOWN]
    matches = [one for one in planned if one.action is Action.MATCH]
    same = [line for one in planned if one.action is Action.UNCHANGED for line in one.prospect.rows]
    return {
        "updates": shown, "page": page, "per_page": SHOWN, "unchanged": ranges(same),
        "moves_work": any(one.effects for one in planned), "moving": [one for one in (*matches, *shown) if one.effects],
        "overrun": any(effect.overrun for one in planned for effect in one.effects or ()),
        "jobs": request.form.get("jobs", "follow"), "because": request.form.get("because", ""),
    }


def ranges(lines: list[int]) -> str:
    """Line numbers with those that follow each other drawn together: 2–14, 17."""
    found: list[list[int]] = []
    for line in sorted(lines):
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in found)


def _done_page(found: ClientImport) -> str:
    run, page = db.session.get_one(Run, found.undo_run_id or found.run_id), page_number()
    rows, total = list_brought(found, seen_by=me(), page=page)
    did = sa.select(RunItem.state, RunItem.payload["action"].astext, RunItem.result["action"].astext, sa.func.count())
    counts = db.session.execute(
        did.where(RunItem.run_id == found.run_id).group_by(sa.text("1, 2, 3"))
    ).all()
    return render_template(
        "exchange/done.html", found=found, run=run, source=SOURCE_NAMES[Source(found.source)],
        outcome=_outcome(counts), report=found.report, amounts=amounts_in(found), page=page, per_page=PER_PAGE,
        rows=rows, total=total, back=taken_back(found, seen_by=me()),
    )


def _outcome(counts: object) -> dict[str, int]:
    """What became of the clients: one count for each."""
    said = dict.fromkeys(("created", "linked", "updated", "unchanged", "left", "failed", "waiting"), 0)
    for state, asked, did, number in counts:  # type: ignore[attr-defined]
        if state is ItemState.DONE:
            rest = "unchanged" if asked == "unchanged" else "updated"
            said[{"create": "created", "link": "linked"}.get(did, rest)] += number
        else:
            said[{ItemState.SKIPPED: "left", ItemState.FAILED: "failed"}.get(state, "waiting")] += number
    return said


@blueprint.post("/<uuid:import_id>/mapping")
def update(import_id: UUID) -> Answer:
    """Say anew what the columns mean; the page then shows what that would do."""
    found = _import(import_id)
    names = {f"column-{at}": column for at, column in enumerate(found.header)}
    mapping = {names[name]: target for name, target in request.form.items() if name in names}
    office_id = parse_id(request.form.get("office_id"))
    if office_id not in {office.id for office in list_offices()}:
        office_id = found.office_id
    save_as = request.form.get("save_as", "").strip()
    map_columns(
        found, mapping, office_id or found.office_id, by=me(), portal_access="portal_access" in request.form,
        number_format=request.form.get("number_format") or None, source=_source(),
    )
    if save_as:
        try:
            save_mapping(found, save_as, by=me())
        except Refused as refusal:
            return _plan_page(found, refusal.message), 422
    return redirect_to(url_for("imports.show", import_id=found.id), f"Kept as {save_as}" if save_as else "")


@blueprint.post("/<uuid:import_id>/reading")
def read_again(import_id: UUID) -> Answer:
    """Read the file anew with what was chosen; of another sheet the header is looked for anew."""
    found = _import(import_id)
    sheet, line = request.form.get("sheet", ""), parse_whole(request.form.get("header_line"))
    if sheet != found.reading.get("sheet", ""):
        line = None
    try:
        read_anew(found, Chosen(sheet, line, request.form.get("encoding", "")), by=me())
    except Refused as refusal:
        return _plan_page(found, refusal.message), 422
    return redirect_to(url_for("imports.show", import_id=found.id, reading=1))


@blueprint.post("/<uuid:import_id>/kept-columns")
def use(import_id: UUID) -> Answer:
    found = _import(import_id)
    kept = _kept(parse_id(request.form.get("mapping_id")))
    use_mapping(found, kept, by=me())
    return redirect_to(url_for("imports.show", import_id=found.id), f"Columns are read as kept under {kept.name}")


def _kept(mapping_id: UUID | None) -> ColumnMapping:
    authorize(me(), can_import)
    return get_or_404(sa.select(ColumnMapping).where(ColumnMapping.id == mapping_id))


@blueprint.get("/columns/<uuid:mapping_id>")
def kept_columns(mapping_id: UUID) -> Answer:
    return _kept_page(_kept(mapping_id))


def _kept_page(kept: ColumnMapping, problem: str = "") -> str:
    return render_template(
        "exchange/columns.html", kept=kept, targets=TARGETS, source=SOURCE_NAMES[Source(kept.source)], problem=problem,
        typed=request.form.get("name", kept.name),
    )


@blueprint.post("/columns/<uuid:mapping_id>")
def rename(mapping_id: UUID) -> Answer:
    kept = _kept(mapping_id)
    try:
        rename_mapping(kept, request.form.get("name", ""), by=me())
    except Refused as refusal:
        return _kept_page(kept, refusal.message), 422
    return redirect_to(url_for("imports.index"), f"{kept.name} saved")


@blueprint.post("/columns/<uuid:mapping_id>/removal")
def remove(mapping_id: UUID) -> Answer:
    kept = _kept(mapping_id)
    name = kept.name
    delete_mapping(kept, by=me())
    return redirect_to(url_for("imports.index"), f"{name} deleted")


def _source() -> Source | None:
    said = request.form.get("source")
    return Source(said) if said in set(Source) else None


@blueprint.post("/<uuid:import_id>/start")
def start(import_id: UUID) -> Answer:
    found = _import(import_id)

    def decide(one: Planned) -> str:
        if one.action is Action.UNKNOWN:
            return "new" if "new_clients" in request.form else ""
        said = request.form.get(f"match-{one.prospect.rows[0]}", "")
        # What was decided on is this client; if meanwhile another one looks alike, it waits.
        return said if said in ("new", "") else ("link" if one.client and said == str(one.client.id) else "")

    back = url_for("imports.show", import_id=found.id)

    def act() -> Answer:
        try:
            start_import(
                found, by=me(), decide=decide, skip_errors="skip_errors" in request.form,
                foreseen=request.form.get("foreseen") or None, redate=request.form.get("jobs") != "keep",
                because=request.form.get("because", ""),
            )
        except Refused as refusal:
            return _plan_page(found, refusal.message, refusal.field or ""), 422
        return redirect_to(back, "The import has started")

    if not found.portal_access:
        return act()
    return once_confirmed(act, what="Let the contacts of a list into the portal", verb="Start the import", back=back)


@blueprint.post("/<uuid:import_id>/undo")
def undo(import_id: UUID) -> Answer:
    found = _import(import_id)
    undo_import(found, by=me())
    return redirect_to(url_for("imports.show", import_id=found.id), "The import is being taken back")
