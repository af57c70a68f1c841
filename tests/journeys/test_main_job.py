"""The main job through both doors, clicked in Chromium on the running product: from an empty firm to a restored one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.journeys.running import ROOT, House, running

DATA = Path(__file__).parents[1] / "data"
SHOTS = Path(__file__).parents[2] / "var" / "screenshots"
PASSWORD = "a long phrase that nobody guesses 7"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
JOB = "VAT return Q3 2026"
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("journey") / "var") as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield chromium
        chromium.close()


# In the dark nothing differs but colour: the other rules have been asked of the same page in the light.
RULES: dict[str, dict[str, Any]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}},
}


class Desk:
    """One person's browser at the firm's door, or a client's phone at theirs."""

    def __init__(self, browser: Browser, house: House, *, phone: bool = False) -> None:
        size = {"width": 390, "height": 844} if phone else {"width": 1440, "height": 900}
        self.context: BrowserContext = browser.new_context(
            viewport=size, has_touch=phone, ignore_https_errors=True  # type: ignore[arg-type]
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.house = house
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def go(self, path: str) -> Page:
        self.page.goto(self.house.url + path)
        return self.page

    def pick(self, name: str, text: str) -> None:
        """Choose by typing into a search box."""
        self.page.locator(f"[name={name}_text]").fill(text)
        self.page.locator(f"#{name}-list [role=option]", has_text=text).first.click()

    def button(self, name: str) -> None:
        self.page.get_by_role("button", name=re.compile(name)).first.click()

    def look(self, name: str) -> None:
        """A picture, and no axe violation in light and dark, at 1440 and at 390 px."""
        page = self.page
        kept = page.viewport_size
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
                page.wait_for_timeout(150)
                found = Axe().run(page, options=RULES[scheme]).response["violations"]
                assert found == [], f"{name} at {width} in {scheme}: {json.dumps(found)[:1500]}"
                if (width, scheme) in ((1440, "light"), (390, "dark")):
                    SHOTS.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=str(SHOTS / f"{name}-{width}.png"))
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        if kept:
            page.set_viewport_size(kept)


@pytest.fixture
def desk(browser: Browser, house: House) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def open_desk(**values: bool) -> Desk:
        opened.append(Desk(browser, house, **values))
        return opened[-1]

    yield open_desk
    for each in opened:
        each.context.close()


def found_firm(pat: Desk) -> None:
    page = pat.page
    page.goto(pat.house.said(r"http\S+/setup/link/\S+"))
    page.fill("[name=firm_name]", "Hartwell & Co")
    page.select_option("[name=country]", "GB")
    page.fill("[name=iban]", "GB33BUKB20201555555555")
    page.fill("[name=partner_name]", "Pat Hartwell")
    page.fill("[name=email]", "pat@hartwell.example")
    page.fill("[name=password]", PASSWORD)
    pat.button("Set up the firm")
    page.wait_for_url("**/work")
    pat.go("/settings/rates")
    page.fill("[name=amount]", "120")
    pat.button("Add rate")
    expect(page.locator("table")).to_contain_text("120.00")


def invite(pat: Desk, name: str, role: str) -> None:
    page = pat.go("/people/new")
    page.fill("[name=name]", name)
    page.fill("[name=email]", f"{name.split()[0].lower()}@hartwell.example")
    page.check(f"[name=role][value={role}]")
    pat.button("Send the invitation")
    page.wait_for_url("**/people*")


def join(person: Desk, address: str) -> None:
    mail = next(m for m in person.house.mails() if m["to"] == address)
    found = re.search(r"http\S+/invitations/link/\S+", mail["text"])
    assert found
    person.page.goto(found[0])
    person.page.fill("[name=password]", PASSWORD)
    person.button("Join")
    person.page.wait_for_url("**/work")


def import_clients(pat: Desk) -> None:
    page = pat.go("/clients/import")
    page.set_input_files("[name=file]", str(DATA / "import" / "xero_contacts.csv"))
    pat.button("Look at the file")
    expect(page.locator("main")).to_contain_text("Nothing has been changed yet")
    pat.look("import")
    access = page.locator("[name=portal_access]")
    if not access.is_visible():
        page.locator("summary", has=page.locator("xpath=.")).filter(has_text=re.compile("columns|More")).first.click()
    access.check()
    pat.button("Look again")
    expect(page.locator("[name=portal_access]")).to_be_checked()
    pat.button(r"Import \d+ clients")
    expect(page.locator("main")).to_contain_text("Take the import back")
    page.wait_for_function("() => !document.querySelector('main').innerText.includes('Under way')", timeout=120_000)


def make_template(mel: Desk) -> None:
    page = mel.go("/services/new")
    page.fill("[name=name]", "VAT return")
    mel.button("Create service")
    page.wait_for_url("**/templates/*")
    steps = (
        ("Collect the papers", "work", ""),
        ("Reconcile the bank", "work", "Collect the papers"),
        ("Post the journals", "work", ""),
        ("Prepare the return", "work", ""),
        ("Review the return", "review", "Reconcile the bank"),
        ("File the return", "work", ""),
    )
    for number, (name, kind, after) in enumerate(steps, 1):
        form = page.locator("form[action$='/steps']")
        form.locator("[name=name]").fill(name)
        form.locator("[name=kind]").select_option(kind)
        form.locator("[name=work_role]").select_option("reviewer" if kind == "review" else "preparer")
        form.locator("[name=estimate]").fill("0:30")
        form.locator("[name=follows]").select_option(**({"label": after} if after else {"index": 0}))  # type: ignore[arg-type]
        form.get_by_role("button", name="Add step").click()
        expect(page.locator("main")).to_contain_text(f"Steps {number}")
    page.locator("a[href*='request:new']").first.click()
    form = page.locator("form[action$='/requests']").last
    form.locator("[name=name]").fill("Papers for your VAT return")
    form.locator("[name=step_key]").select_option(label="Review the return")
    form.locator("[name=items-label]").nth(0).fill("Bank statements")
    form.locator("[name=items-label]").nth(1).fill("Turnover of the quarter")
    form.locator("[name=items-kind]").nth(1).select_option(label="Amount")
    form.get_by_role("button", name="Save request").click()
    expect(page.locator("main")).to_contain_text("Papers for your VAT return")
    mel.look("template")
    mel.button("Publish version 1")
    expect(page.locator("main")).to_contain_text("Edit as next version")


def apply_to_many(mel: Desk) -> None:
    page = mel.go("/services")
    page.get_by_role("link", name="VAT return").first.click()
    page.wait_for_url("**/services/*")
    page.goto(page.url.split("?")[0] + "/apply")
    page.select_option("[name=cadence]", label="Each calendar quarter")
    page.fill("[name=period_on]", "2026-09-30")
    mel.pick("preparer", "Sam")
    mel.pick("reviewer", "Mel")
    for number in range(25):
        page.locator("[name=clients]").nth(number).check()
    mel.button("Look at the jobs")
    expect(page.locator("main")).to_contain_text(f"Alder & Finch Ltd {JOB}")
    mel.look("preview")
    mel.button(r"^(Create|Make) 25")
    page.wait_for_url("**/runs/*")
    expect(page.locator("main")).to_contain_text("25 of 25", timeout=120_000)


def work_a_step(sam: Desk, step: str, *, timed: bool) -> None:
    page = sam.go("/work")
    row = page.locator("li.row", has_text="Alder & Finch").filter(has_text=step).first
    if timed:
        row.hover()
        row.locator("button[data-key=t]").click()
        expect(page.locator("#timer")).to_contain_text(step)
        row = page.locator("li.row", has_text="Alder & Finch").filter(has_text=step).first
    row.hover()
    row.locator("button[data-key=d]").click()
    expect(page.locator("#toasts")).to_contain_text("Done")
    if timed:
        page.locator("#timer button[aria-label='Stop the timer']").click()
        expect(page.locator("#timer")).not_to_contain_text(step, timeout=30_000)


def send_the_request(sam: Desk) -> None:
    """It would go by itself within a minute in the daytime; a person may send it at any hour."""
    page = sam.go("/requests?view=drafts")
    row = page.locator("#requests .row, #requests tr", has_text="Alder & Finch").first
    row.get_by_role("link", name=re.compile("Papers for your VAT")).click()
    sam.button("^Send now")
    expect(page.locator("main")).to_contain_text("Pause reminders")


def answer_as_client(phone: Desk) -> None:
    mail = next(
        m for m in phone.house.mails() if m["to"].startswith("amara.abbott0@") and m["kind"] == "requests.request"
    )
    found = re.search(r"http\S+/portal/link/request/\S+", mail["text"])
    assert found
    page = phone.page
    page.goto(found[0])
    phone.button("Show what is needed")
    page.wait_for_url("**/portal/requests/*")
    phone.look("portal-request")
    page.locator("input[type=file]").first.set_input_files(
        [str(DATA / "documents" / "good" / name) for name in ("basicapi.pdf", "IMG_1034.heic")]
    )
    expect(page.locator("main")).to_contain_text("IMG_1034.heic", timeout=60_000)
    expect(page.locator("main")).to_contain_text(re.compile("Arrived.*Arrived", re.S), timeout=60_000)
    page.locator("input.input[name^=value-]").last.fill("18250.40")
    expect(page.locator("[data-saved]", has_text="Saved").first).to_be_visible()
    phone.button("^Send")
    expect(page.locator("main")).to_contain_text("Everything is with us")


def accept_and_watch(sam: Desk, mel: Desk) -> float:
    """Sam accepts; the seconds until Mel's open page shows the review as ready."""
    page = mel.go("/board")
    page.locator(".board-card", has_text="Alder & Finch").first.locator("a.row-link").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("li.row", has_text="Review the return").first).to_contain_text(
        re.compile("to be reviewed", re.I)
    )
    mel.look("job")
    page.wait_for_timeout(1500)
    staff = sam.go("/requests")
    staff.get_by_role("link", name=re.compile("To review")).click()
    staff.get_by_role("link", name=re.compile("Papers for your VAT")).first.click()
    expect(staff.locator("main")).to_contain_text("basicapi.pdf")
    sam.look("review")
    sam.button("Accept all|Accept everything")
    begun = time.monotonic()
    page.wait_for_function(
        "() => [...document.querySelectorAll('li.row')].some(row => row.innerText.includes('Review the return')"
        " && !/waits for|to be reviewed/i.test(row.innerText))"
    )
    return time.monotonic() - begun


def bill(bea: Desk) -> None:
    """The client's WIP, ten per cent down, approved and sent."""
    page = bea.go("/billing")
    bea.look("wip")
    page.get_by_role("link", name="Alder & Finch Ltd").first.click()
    bea.page.get_by_role("link", name="Draft a bill").click()
    page.wait_for_url("**/draft")
    bea.button("Draft the bill")
    page.wait_for_url("**/billing/invoices/*")
    page.locator("[name=total]").fill("-10 %")
    page.locator("#reason-total").fill("Agreed with the client")
    expect(page.locator("#preview")).not_to_be_empty()
    bea.button("Change the total")
    expect(page.locator("main")).to_contain_text("90")
    bea.look("draft")
    page.locator("[data-open='#approve']").click()
    page.get_by_label("Issue it without a postal address").check()
    page.get_by_role("button", name="Approve and send").click()
    expect(page.locator("main")).to_contain_text("INV-00001")


def read_the_invoice(phone: Desk) -> None:
    """Documents and invoices need the sign-in link; the one of the request does not open them."""
    page = phone.go("/portal/invoices/")
    expect(page.locator("main")).not_to_contain_text("INV-00001")
    phone.context.clear_cookies()
    page = phone.go("/portal/sign-in")
    page.fill("[name=email]", "amara.abbott0@example.com")
    phone.button("Send me the link")
    expect(page.locator("main")).to_be_visible()
    link = wait_for(
        lambda: next(
            (
                found[0]
                for m in phone.house.mails()
                if m["to"].startswith("amara.abbott0@")
                if (found := re.search(r"http\S+/portal/link/sign-in/\S+", m["text"]))
            ),
            None,
        )
    )
    page.goto(link)
    page.locator("main form button").first.click()
    page.wait_for_url(re.compile(r"/portal/(?!link)"))
    page = phone.go("/portal/")
    expect(page.locator("main")).to_contain_text(re.compile("INV-00001|owe", re.I))
    phone.look("portal-home")
    page = phone.go("/portal/invoices/")
    page.get_by_role("link", name=re.compile("INV-00001")).first.click()
    expect(page.locator("main")).to_contain_text("INV-00001")
    wait_for(lambda: page.reload() and page.get_by_role("link", name=re.compile("PDF")).count())
    phone.look("portal-invoice")
    address = page.get_by_role("link", name=re.compile("PDF")).first.get_attribute("href")
    answer = phone.context.request.get(phone.house.url + str(address))
    assert (answer.status, answer.body()[:5]) == (200, b"%PDF-")


T = TypeVar("T")


def wait_for(ready: Callable[[], T | None], seconds: float = 60) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ready():
            return found
        time.sleep(0.5)
    raise AssertionError("it did not happen in time")


def record_payment(bea: Desk) -> None:
    page = bea.go("/billing/payments/new")
    bea.pick("client", "Alder")
    expect(page.locator("#owed")).to_contain_text("INV-00001")
    owed = page.locator("#owed tr", has_text="INV-00001").inner_text()
    amount = re.findall(r"\d+\.\d\d", owed)[-1]
    page.locator("[name=amount]").fill(amount)
    bea.button("Record the payment")
    expect(page.locator("main")).to_contain_text(amount)
    page = bea.go("/billing/invoices?state=paid")
    expect(page.locator("main")).to_contain_text("INV-00001")


def figures(house: House, var: Path) -> dict[str, str]:
    """What the books say, table by table."""
    words = ("-c", FIGURES)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=house.environment | {"FIRMAMENT_VAR": str(var)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


FIGURES = """
import json, sqlalchemy as sa
from app.config import Settings
from app.core.backing import services
with services(Settings.from_environment()) as settings:
    with sa.create_engine(settings.database_url).connect() as connection:
        rows = connection.execute(sa.text(
            "SELECT account || ' ' || currency, sum(amount)::text FROM posting GROUP BY 1 "
            "UNION ALL SELECT 'jobs', count(*)::text FROM job "
            "UNION ALL SELECT 'documents', count(*)::text FROM document "
            "UNION ALL SELECT 'events', count(*)::text FROM event "
            "UNION ALL SELECT 'clients', count(*)::text FROM client"))
        print(json.dumps([list(row) for row in rows]))
"""


def do_the_main_job(house: House, desk: Callable[..., Desk]) -> None:
    """From an empty firm to a bill that is paid, through both doors; every proof holds."""
    pat, mel, sam, bea, phone = desk(), desk(), desk(), desk(), desk(phone=True)
    found_firm(pat)
    for name, role in (("Mel Osei", "manager"), ("Sam Price", "staff"), ("Bea Lowe", "billing")):
        invite(pat, name, role)
    for person, address in ((mel, "mel"), (sam, "sam"), (bea, "bea")):
        join(person, f"{address}@hartwell.example")
    import_clients(pat)
    make_template(mel)
    apply_to_many(mel)
    sam.go("/work")
    sam.look("my-work")
    work_a_step(sam, "Collect the papers", timed=True)
    work_a_step(sam, "Reconcile the bank", timed=False)
    send_the_request(sam)
    answer_as_client(phone)
    assert accept_and_watch(sam, mel) < 5
    bill(bea)
    read_the_invoice(phone)
    record_payment(bea)
    verified = house.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert [d.faults for d in (pat, mel, sam, bea, phone)] == [[]] * 5


def test_the_main_job_from_an_empty_firm_to_a_restored_one(
    house: House, desk: Callable[..., Desk], tmp_path: Path
) -> None:
    do_the_main_job(house, desk)
    archive, elsewhere = tmp_path / "firm.zip", tmp_path / "elsewhere"
    assert house.command("backup", str(archive)).returncode == 0
    here = figures(house, house.var)
    restored = house.command("restore", str(archive), var=elsewhere)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert figures(house, elsewhere) == here
