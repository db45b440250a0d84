from __future__ import annotations

from calibration import DeviceSnapshot, GateFacts, QubitFacts
from calibration.notebook import html_folded, html_lines, html_table
from calibration.summary import summary_rows

QUBITS = (
    QubitFacts(t1=1e-4, t2=4e-5, frequency=None, p01=0.01, p10=0.03, readout_seconds=1e-6),
    QubitFacts(t1=3e-4, t2=None, frequency=None, p01=0.04, p10=0.04, readout_seconds=1e-6),
    QubitFacts(t1=2e-4, t2=6e-5, frequency=None, p01=0.00, p10=0.02, readout_seconds=1e-6),
)
GATES = (
    GateFacts("cz", (0, 1), 0.004, 84e-9),
    GateFacts("cz", (1, 2), 1.0, 84e-9),
    GateFacts("rz", (0,), None, None),
)
SNAPSHOT = DeviceSnapshot("<b>fez", "2026-11-20", None, QUBITS, GATES, faulty_qubits=(2,))


def test_best_median_and_worst_of_what_is_known() -> None:
    assert summary_rows(SNAPSHOT) == [
        ("T1, µs", "3", "300", "200", "100"),
        ("T2, µs", "2", "60", "50", "40"),
        ("read-out error", "3", "0.01", "0.02", "0.04"),
        ("cz error", "1", "0.004", "0.004", "0.004"),
        ("cz time, ns", "1", "84", "84", "84"),
        ("rz error", "0", "not given", "not given", "not given"),
        ("rz time, ns", "0", "not given", "not given", "not given"),
    ]


def test_a_notebook_shows_it_escaped_and_says_what_is_left_out() -> None:
    shown = SNAPSHOT._repr_html_()
    assert "&lt;b&gt;fez: 3 qubits, calibrated 2026-11-20" in shown
    assert "<b>" not in shown
    assert "<p>Not operational: qubits 2.</p><p>Left out: 1 gates" in shown
    assert shown.count("<tr>") == 1 + len(summary_rows(SNAPSHOT))


def test_every_text_of_a_table_is_escaped() -> None:
    table = html_table(["<a>", "b"], [["<c>", "&"]], "<t>", right=[False, True])
    assert table == (
        '<table><caption style="text-align:left">&lt;t&gt;</caption><thead><tr>'
        '<th style="text-align:left">&lt;a&gt;</th><th style="text-align:right">b</th></tr></thead>'
        '<tbody><tr><td style="text-align:left">&lt;c&gt;</td><td style="text-align:right">&amp;'
        "</td></tr></tbody></table>"
    )
    assert html_lines("", "<x>") == "<p>&lt;x&gt;</p>"
    assert html_folded("<s>", "y") == "<details><summary>&lt;s&gt;</summary><p>y</p></details>"
