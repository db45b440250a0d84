from __future__ import annotations

import re

from qhw.budget.planning import plan_training
from qhw.config import parse_config

SMALL = {"updates": 1, "environments": 4}


def test_a_notebook_shows_the_quote_that_is_printed() -> None:
    settings = {"backend": {"name": "fake_fez", "mitigation": "none"}, "ppo": SMALL}
    quote = plan_training(parse_config(settings), queue=2)
    shown = quote._repr_html_()
    (total,) = re.findall("<tr><td[^>]*>total</td>(.*?)</tr>", shown)
    cells = re.findall("<td[^>]*>(.*?)</td>", total)
    assert cells[:3] == [f"{quote.jobs:,}", f"{quote.circuits:,}", ""]
    low, high = (float(number.replace(",", "")) for number in cells[3].split(" - "))
    assert (low, high) == (round(quote.seconds_low), round(quote.seconds))
    assert f"{quote.jobs} round trips one after the other x 2 jobs ahead" in shown
    assert "<details><summary>Assumed</summary><p>gradient: transitions that PPO clips" in shown
    assert shown.endswith("<p>Nothing was sent.</p>")
