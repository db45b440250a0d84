from __future__ import annotations

from rich.markup import escape

from qhw.console.notebook import table_html
from qhw.console.tables import listing, plain_table


def test_a_printed_table_has_the_same_cells_in_a_notebook() -> None:
    table = plain_table("Two <latents>", "return", "mean g")
    table.add_row("policy", "[bold]-0.2[/bold] ", "1.4")
    table.add_row(escape("rule [1, 2] <b>"), "", "1.6")
    shown = table_html(table)
    assert '<caption style="text-align:left">Two &lt;latents&gt;</caption>' in shown
    assert '<th style="text-align:left"></th><th style="text-align:right">return</th>' in shown
    assert '<td style="text-align:left">policy</td><td style="text-align:right">-0.2</td>' in shown
    assert '<td style="text-align:left">rule [1, 2] &lt;b&gt;</td>' in shown


def test_a_table_of_words_stands_to_the_left_and_one_without_rows_has_its_head() -> None:
    table = listing("run", "status")
    assert table_html(table).endswith("</thead><tbody></tbody></table>")
    assert "right" not in table_html(table)


def test_words_in_place_of_a_table_are_a_line() -> None:
    assert table_html("Both <same>.") == "<p>Both &lt;same&gt;.</p>"
