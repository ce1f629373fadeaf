"""One command builds the site, without a warning; findings lead to the pages of their rules."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import tomli

import bglint
from bglint.model import Report
from bglint.report import json as report_json
from bglint.report import pages, sarif, text
from bglint.report.text import Look
from bglint.rule import Rule, registry
from tests.report_sample import SLEEP

ROOT = Path(__file__).parent.parent
RULES = [pytest.param(rule, id=code) for code, rule in registry().items()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / "docs" / "build.py", folder]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    return folder


def words(page: Path) -> str:
    """What a page says, without its marks."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))


def address(rule: Rule) -> str:
    """Where each report that can tell it says that the page of a rule stands."""
    report = Report((replace(SLEEP, code=rule.code, name=rule.name),))
    (described,) = json.loads(sarif.render(report))["runs"][0]["tool"]["driver"]["rules"]
    (finding,) = json.loads(report_json.render(report))["findings"]
    (listed,) = json.loads(pages.as_json([rule]))
    (link,) = re.findall(r"\x1b\]8;id=\d+;(.+?)\x1b\\", text.render(report, Look(color=True)))
    assert {described["helpUri"], finding["url"], listed["url"]} == {link}
    return str(link)


@pytest.mark.parametrize("rule", RULES)
def test_findings_lead_to_the_page_of_their_rule(rule: Rule, site: Path) -> None:
    page = site / address(rule).removeprefix(bglint.DOCS) / "index.html"
    said = words(page)
    assert f"{rule.code} {rule.name}" in said
    assert rule.summary.replace("`", "") in said
    stem = f"{rule.code.lower()}_{rule.name.replace('-', '_')}"
    apps = [path.name for path in (ROOT / "fixtures" / stem).glob("*.py") if ".fixed" not in path.name]
    assert [name for name in apps if name not in said] == []


def test_the_site_holds_the_other_pages(site: Path) -> None:
    written = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert written >= {"comparison", "design", "json", "knowledge"}
    assert {path.parent.name for path in site.glob("*/index.html")} >= {*written, "rules"}
    assert "A linter for background tasks in FastAPI and Starlette" in words(site / "index.html")


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    links = {
        (page.parent / unquote(urlsplit(link).path)).resolve()
        for page in site.rglob("*.html")
        for link in re.findall(r'(?:href|src)="([^":#]+)[^":]*"', page.read_text("utf-8"))
    }
    assert len(links) > len(RULES)
    assert [link for link in links if not link.exists()] == []


def test_the_package_names_the_same_address() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"]["Documentation"] == bglint.DOCS


@pytest.mark.parametrize("rule", RULES)
def test_explain_ends_with_precision_and_address(rule: Rule) -> None:
    said = " ".join(pages.page(rule, color=False, width=300).split())
    assert said.endswith(f"With the apps that it is tested with: {bglint.DOCS}rules/{rule.code}/")
    assert "in the released packages that bglint is tried on" in said.partition("Precision")[2]
