"""Pages that are read on GitHub become pages of the site."""

from __future__ import annotations

from pages.links import dialect, linked, relinked, repository_path, site_path


def test_pages_of_docs_lose_the_folder_and_others_keep_their_path() -> None:
    assert site_path("docs/results/controller.md") == "results/controller.md"
    assert site_path("benchmarks/seeds.md") == "benchmarks/seeds.md"
    assert site_path("README.md") == "index.md"
    assert repository_path("results/controller.md") == "docs/results/controller.md"
    assert repository_path("benchmarks/seeds.md") == "benchmarks/seeds.md"


def test_links_that_leave_docs_lead_to_the_same_file_in_the_site() -> None:
    text = (
        "[a](../../benchmarks/seeds.py) [b](../training.md#models) [c](https://arxiv.org) [d](#e)"
    )
    assert [*linked("docs/results/controller.md", text)] == [
        "benchmarks/seeds.py",
        "docs/training.md",
    ]
    assert relinked("docs/results/controller.md", text) == (
        "[a](../benchmarks/seeds.py) [b](../training.md#models) [c](https://arxiv.org) [d](#e)"
    )


def test_links_of_the_pages_beside_docs_lead_into_it() -> None:
    assert relinked("CONTRIBUTING.md", "[a](docs/engine.md)") == "[a](engine.md)"
    assert relinked("docs/install.md", "[a](../README.md#start)") == "[a](index.md#start)"


def test_what_stands_in_a_fence_is_no_link() -> None:
    text = "```python\nx = f[0](../y.md)\n```\n"
    assert relinked("docs/python.md", text) == text
    assert [*linked("docs/python.md", text)] == []


def test_a_bar_in_code_in_a_row_is_not_escaped() -> None:
    assert dialect("| `a\\|b` | c \\| d |\n") == "| `a|b` | c \\| d |\n"
    assert dialect("no row: `a\\|b`\n") == "no row: `a\\|b`\n"


def test_commands_are_a_shells_and_a_list_of_contents_goes() -> None:
    assert dialect("```console\nqhw runs\n```\n") == "```bash\nqhw runs\n```\n"
    assert dialect("# T\n\n- [a](#a)\n- [b](#b)\n\ntext\n") == "# T\n\n\ntext\n"
    kept = "# T\n\n- [a](#a): more\n- [b](#b)\n\ntext\n"
    assert dialect(kept) == kept
