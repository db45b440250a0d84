"""The page on settings, out of the models that check them."""

from __future__ import annotations

from itertools import groupby

from pages.markdown import NOTE, plain, table
from qhw.cli.settings import flags_of_train
from qhw.config import RunConfig, every_setting
from qhw.config.setting import Setting, tables_of

HEADS = ("setting", "default", "may be", "what it is")


def settings_page() -> str:
    """Every setting with its default, range, meaning, and the option that sets it."""
    head = (
        f"# Settings\n\n{NOTE} `qhw config` prints the same.\n\nHow one is chosen: by its option "
    )
    head += "of `qhw train`, by `--set NAME=VALUE`, or in a file\n"
    head += "([how](../settings.md#find-a-setting-and-choose-it)).\n"
    about, flags = tables_of(RunConfig), flags_of_train()
    settings = sorted(every_setting().values(), key=lambda each: [*about].index(each.table))
    text = head
    for name, group in groupby(settings, lambda each: each.table):
        title = f"`{name}`\n\n{plain(about[name])}" if name else "Of the run"
        text += f"\n## {title}\n\n{table(HEADS, (_row(each, flags) for each in group))}"
    return text


def _row(setting: Setting, flags: dict[str, str]) -> tuple[str, str, str, str]:
    option = f" (`{flags[setting.name]}`)" if setting.name in flags else ""
    meaning = plain(setting.meaning.removesuffix("."))
    return f"`{setting.name}`", plain(setting.default), plain(setting.range), meaning + option
