from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qhw.errors import DataError
from qhw.reports.page import render
from qhw.studies.catalogue import STUDIES, in_order, sections_without_findings, title_of
from qhw.studies.finding import Column, Figure, Finding, Gallery, GalleryRow, Table, write_finding
from tests.qhw.reports.findings import EVIL, evil, gallery, realistic, shots, task, write_report

VOID = {"meta", "link", "img"}


class Outline(HTMLParser):
    """Elements, ids, text, and whether all that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_report(tmp_path_factory.mktemp("report"), (*realistic(), evil()))
    assert render(folder) == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Outline:
    return Outline(html)


def test_the_page_is_well_formed_and_its_ids_are_unique(page: Outline) -> None:
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        target = link["href"] or ""
        assert target.startswith("https://") or target.removeprefix("#") in ids


def test_the_page_says_what_it_is(page: Outline) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    assert len(page.all("h1")) == 1
    assert len(page.all("title")) >= 1


def test_sections_come_in_their_order_and_missing_ones_are_named(page: Outline) -> None:
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections == [
        "verdict", "about", "features", "control", "task", "noise_scale", "shots", "gradients",
        "plateaus", "cost", "zz_unknown", "not-acquired", "words", "files",
    ]  # fmt: skip
    missing = sections_without_findings(realistic())
    assert missing
    for entry in missing:
        assert entry.question in page.text


def test_every_answer_or_refusal_is_said_once(page: Outline) -> None:
    plain = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for finding in realistic():
        assert plain.count(finding.question) == 1
        assert plain.count(str(finding.answer or finding.refusal)) == 1
        assert finding.observed is None or plain.count(finding.observed) == 1
    assert plain.count("Train five seeds or more (qhw train --seed N)") == 1
    assert plain.count("No answer.") == 2


def test_the_page_opens_with_six_lines_a_number_and_a_link_each(page: Outline, html: str) -> None:
    verdict = html.partition('<section id="verdict"')[2].partition("</section>")[0]
    lines = re.findall(r'<li id="verdict-(\w+)">(.*?)</li>', verdict, re.DOTALL)
    assert [name for name, _ in lines] == [
        "noise_cost", "bearable_noise", "enough_shots", "mitigation", "training_cost", "not_tried",
    ]  # fmt: skip
    told = dict(lines)
    assert all(line.count("<a href") == 1 == line.count("<strong>") for line in told.values())
    cost = told["noise_cost"].replace("\N{NO-BREAK SPACE}", " ")
    assert '<a href="#task">What noise costs</a>' in cost
    assert "<strong>−0.0070 [−0.0150, +0.0010]</strong> of return" in cost
    assert "<strong>not known</strong>" in told["training_cost"]
    assert "<strong>5 of 13</strong> questions" in told["not_tried"]


def test_the_first_figure_is_open_and_the_rest_is_folded_away(html: str) -> None:
    section = html.partition('<section id="features"')[2].partition("</section>")[0]
    above, _, folded = section.partition('<details class="more">')
    assert 'id="features-rmse_by_shots"' in above and 'id="features-bias"' in folded
    assert "<summary>More: 1 figure, 1 table, notes, what was run</summary>" in folded
    assert "<details open" not in html
    task = html.partition('<section id="task"')[2].partition("</section>")[0]
    above, _, folded = task.partition('<details class="more">')
    assert "task-same_latents-gallery" in above, "few rows of pictures are open"
    cost = html.partition('<section id="cost"')[2].partition("</section>")[0]
    assert "<table" in cost.partition('<details class="more">')[0], "no figure: the first table"


def test_what_intervals_over_few_seeds_cover_is_said(tmp_path: Path) -> None:
    def told(*seeds: int) -> str:
        findings = [
            Finding(study=f"s{k}", question="q", answer="a", provenance={"training seeds": count})
            for k, count in enumerate(seeds)
        ]
        return render(write_report(tmp_path, findings)).read_text(encoding="utf-8")

    assert "Intervals rest on 5 training seeds. Those called" in told(10, 5)
    assert "Intervals rest on" not in told(1, 1)


def test_markup_in_any_text_stays_text(page: Outline, html: str) -> None:
    assert len(page.all("script")) == 1
    assert "<script>alert" not in html
    assert "49" not in evil_part(page.text), "a template was evaluated"
    assert page.text.count(EVIL) >= 15


def test_every_drawing_has_an_alternative_text(page: Outline) -> None:
    drawings = page.all("svg")
    figures = [figure for finding in (*realistic(), evil()) for figure in finding.figures]
    assert len(drawings) == 2 * len(figures)
    assert {drawing["aria-label"] for drawing in drawings} == {f.alternative for f in figures}
    assert all(drawing["role"] == "img" for drawing in drawings)
    assert all(image["alt"] for image in page.all("img"))


def test_readings_notes_and_provenance_are_shown(page: Outline) -> None:
    plain = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for finding in realistic():
        parts: tuple[Figure | Table | Gallery, ...]
        parts = (*finding.figures, *finding.tables, *finding.galleries)
        for part in parts:
            assert part.reading in plain
        for note in finding.notes:
            assert note in plain
        for name, value in finding.provenance.items():
            assert f"{name}{value}" in plain


def test_commands_in_a_sentence_are_code_and_markup_in_them_is_text(tmp_path: Path) -> None:
    noted = Finding(study="shots", question="q", answer="Type `qhw <b>`: -1% of `it`.")
    html = render(write_report(tmp_path, [noted])).read_text(encoding="utf-8")
    assert "Type <code>qhw &lt;b&gt;</code>: −1\N{NO-BREAK SPACE}% of <code>it</code>." in html


def test_a_long_table_is_folded_and_named_where_it_lies(tmp_path: Path) -> None:
    tables = [
        Table(id=name, title=name, columns=(Column(name="c"),), rows=(("x",),) * rows, reading="r")
        for name, rows in (("brief", 24), ("lengthy", 25))
    ]
    finding = Finding(study="shots", question="q", answer="a", tables=tuple(tables))
    html = render(write_report(tmp_path, [finding])).read_text(encoding="utf-8")
    folded = re.findall(r"<summary>(.*?)</summary>", html)
    assert "All 25 rows, also in <code>tables/shots-lengthy.csv</code>" in folded
    assert "tables/shots-brief.csv" not in html
    assert (tmp_path / "tables" / "shots-lengthy.csv").exists()


def test_a_dash_is_explained_once(tmp_path: Path) -> None:
    def told(reading: str) -> int:
        table = Table(
            id="t", title="t", columns=(Column(name="c"),), rows=((None,),), reading=reading
        )
        finding = Finding(study="shots", question="q", answer="a", tables=(table,))
        page = render(write_report(tmp_path, [finding])).read_text(encoding="utf-8")
        return page.count("A dash stands")

    assert (told("r"), told("A price; it holds a dash where nothing is recovered.")) == (1, 0)


def test_nothing_comes_from_outside(page: Outline, html: str) -> None:
    for tag, attributes in page.tags:
        address = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        assert address is None or address.startswith("data:")
    assert not re.search(r"@import|url\((?!#)", html)


def test_the_policy_admits_the_one_script_and_no_network(page: Outline, html: str) -> None:
    script = html.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(m["content"] or "" for m in page.all("meta") if "http-equiv" in m)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_figures_and_tables_lie_beside_the_page(folder: Path) -> None:
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert {"features-bias.svg", "features-bias.pdf", "zz_unknown-evil_matrix.pdf"} <= figures
    tables = {path.name for path in (folder / "tables").iterdir()}
    assert {"features-rmse.csv", "features-bias_numbers.csv", "zz_unknown-evil.csv"} <= tables


@pytest.mark.slow  # the page is drawn twice more
def test_the_same_findings_give_the_same_page(folder: Path, html: str) -> None:
    assert render(folder).read_text(encoding="utf-8") == html


def test_a_report_may_have_one_finding(tmp_path: Path) -> None:
    bare = Finding(study="shots", question="Enough?", answer="Yes.")
    page = Outline(render(write_report(tmp_path, [bare])).read_text())
    assert "Enough?" in page.text
    assert "Train five seeds" not in page.text


@pytest.mark.slow  # the page is drawn twice more
def test_files_of_what_is_no_longer_found_go_and_those_of_others_stay(tmp_path: Path) -> None:
    render(write_report(tmp_path, [shots(), evil()]))
    own = tmp_path / "figures" / "of-my-own.svg"
    own.write_text("<svg/>")
    bare = Finding(study="shots", question="Enough?", answer="Yes.")
    render(write_report(tmp_path, [bare]))
    left = [path.name for kind in ("figures", "tables") for path in (tmp_path / kind).iterdir()]
    assert own.name in left
    assert not [name for name in left if name.startswith("shots-")]
    assert [name for name in left if name.startswith("zz_unknown-")]


@pytest.mark.parametrize("content", ['"><script>', "bm8gcGljdHVyZQ=="])
def test_a_gallery_of_anything_but_pictures_is_refused(tmp_path: Path, content: str) -> None:
    row = GalleryRow(name="r", pictures=(content,))
    bad = Gallery(**{**dict(gallery()), "columns": ("c",), "rows": (row,)})
    write_finding(tmp_path / "analysis", task().model_copy(update={"galleries": (bad,)}))
    with pytest.raises(DataError, match="no PNG"):
        render(tmp_path)


def test_a_folder_without_findings_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--step analyse"):
        render(tmp_path)


def test_a_damaged_finding_is_named(tmp_path: Path) -> None:
    write_report(tmp_path, [shots()])
    (tmp_path / "analysis" / "shots.json").write_text("{}")
    with pytest.raises(DataError, match=r"shots\.json"):
        render(tmp_path)


def test_unknown_studies_come_last_under_their_own_names() -> None:
    known = [Finding(study=entry.name, question="q", answer="a") for entry in STUDIES]
    strange = Finding(study="a_new_one", question="q", answer="a")
    assert in_order([strange, *reversed(known)]) == [*known, strange]
    assert title_of("a_new_one") == "A new one"
    assert sections_without_findings(known) == []


def evil_part(text: str) -> str:
    return " ".join(re.findall(r"\$2 .{0,12}", text))
