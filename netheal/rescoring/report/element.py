"""Elements of a page; text is escaped where it is written, so that nothing has to remember to."""

from xml.etree import ElementTree

from netheal.rescoring.report.visible_text import visible_text

Element = ElementTree.Element
Content = Element | str | None


def element(tag: str, *content: Content, **attributes: object) -> Element:
    """An element of HTML or SVG; a name ending in `_` loses that, other `_` become `-`, None leaves one out."""
    found = Element(
        tag,
        {
            name.rstrip("_").replace("_", "-"): visible_text(str(value))
            for name, value in attributes.items()
            if value is not None
        },
    )
    for part in content:
        append(found, part)
    return found


def append(parent: Element, part: Content) -> None:
    """Add text or an element at the end; None is nothing."""
    if isinstance(part, str):
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + visible_text(part)
        else:
            parent.text = (parent.text or "") + visible_text(part)
    elif part is not None:
        parent.append(part)


def foreign(text: str) -> Element:
    """Text that came from outside: its direction of writing ends with it."""
    return element("bdi", text)


def as_html(root: Element) -> str:
    """The page."""
    return "<!doctype html>\n" + ElementTree.tostring(root, encoding="unicode", method="html") + "\n"
