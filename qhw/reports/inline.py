"""A figure's SVG as part of a page: colours that follow light and dark, ids of its own."""

from __future__ import annotations

import base64
import binascii
import re
from xml.etree import ElementTree

from qhw.errors import DataError
from qhw.reports.style import LIGHT

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#")
_FONT = re.compile(r"font-family:[^;]*;?\s*")


def inline_svg(content: bytes, *, prefix: str, name: str, alternative: str) -> str:
    """Markup of an SVG that matplotlib drew in the light palette.

    Args:
        content: The file.
        prefix: Before every id, so that figures of one page do not answer for each other.
        name: Class of the element.
        alternative: Read instead of the picture.
    """
    root = ElementTree.fromstring(content)  # noqa: S314 - drawn by us a moment ago
    unwanted = [(root, "metadata"), *((defs, "style") for defs in root.findall("{*}defs"))]
    for parent, tag in unwanted:
        for child in parent.findall(f"{{*}}{tag}"):
            parent.remove(child)
    for element in root.iter():
        _adopt(element, prefix)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"class": name, "role": "img", "aria-label": alternative}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _adopt(element: ElementTree.Element, prefix: str) -> None:
    """Free an element of namespaces, fonts and fixed colours, and prefix its ids."""
    element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    target = element.attrib.pop(f"{{{XLINK}}}href", None)
    if target is not None:
        element.set("href", f"#{prefix}{target.removeprefix('#')}")
    if "id" in element.attrib:
        element.set("id", prefix + element.attrib["id"])
    if "clip-path" in element.attrib:
        element.set("clip-path", _REFERENCE.sub(f"url(#{prefix}", element.attrib["clip-path"]))
    if "style" in element.attrib:
        element.set("style", themed(_REFERENCE.sub(f"url(#{prefix}", element.attrib["style"])))


def themed(style: str) -> str:
    """A style whose light colours are the page's variables, in the page's own font."""
    style = _FONT.sub("", style)
    for role, shade in LIGHT.roles().items():
        style = style.replace(shade, f"var(--{role})")
    return style


SIGNATURE = b"\x89PNG\r\n\x1a\n"


def data_uri(png: str) -> str:
    """Address of a PNG given in base64.

    Raises:
        DataError: If it is none.
    """
    try:
        content = base64.b64decode(png, validate=True)
    except binascii.Error:
        content = b""
    if not content.startswith(SIGNATURE):
        raise DataError(
            f"A gallery holds {png[:40]!r}, which is no PNG in base64.",
            "Analyse again: `qhw report noise ... --step analyse`.",
        )
    return f"data:image/png;base64,{png}"
