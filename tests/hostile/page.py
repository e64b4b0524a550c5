"""Reads a report as somebody else's parser does, and says what is in it that should not be: `page.py html|junit FILE`."""

import html.parser
import sys
import xml.etree.ElementTree

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr", "use", "path", "line", "rect", "circle"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.scripts = 0
        self.seen = 0

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        assert tag not in ("img", "iframe", "object", "embed", "base", "u"), f"an element <{tag}>"
        assert tag != "form" or ("id", "filter") in attributes, "a form that is not the page's own"
        for name, value in attributes:
            assert not name.startswith("on"), f"an attribute {name} of <{tag}>"
            assert name != "src", f"<{tag}> loads something"
            assert "pwned" not in name, f"an attribute {name}"
            assert name != "href" or (value or "").startswith("#") or value == "data:,", f"a link to {value}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open[-3:]}"
            self.open.pop()

    def handle_comment(self, text):
        raise AssertionError(f"a comment: {text}")

    def handle_data(self, text):
        self.seen += "pwned" in text


def main(kind, path):
    with open(path, "rb") as file:
        raw = file.read()
    if kind == "html":
        page = Page()
        page.feed(raw.decode())
        page.close()
        assert page.seen, "nothing of it is shown"
        assert set(page.open) <= {"html", "head", "body"}, page.open
        print(page.scripts)
    else:
        root = xml.etree.ElementTree.fromstring(raw)
        tags = {"testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out", "properties", "property"}
        found = {element.tag for element in root.iter()}
        assert found <= tags, found - tags
        assert "pwned" in "".join(root.itertext()), "nothing of it is shown"


main(*sys.argv[1:])
