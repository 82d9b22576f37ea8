#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that the reference pages say what the protocol says, and that links between pages lead somewhere."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class DocsTest(unittest.TestCase):
    def test_every_reason_is_on_the_page_with_its_number_certainty_and_text(self):
        proto = (ROOT / "proto/cordwood/v1/error.proto").read_text()
        declared = {(int(number), name, certainty, text)
                    for name, number, certainty, text in re.findall(r"^\s+([A-Z_]+) = (-?\d+);\s+// (DEFINITE|INDEFINITE)\. (.+)$", proto, re.M)}
        page = (ROOT / "docs/reference/error-reasons.md").read_text()
        listed = {(int(number), name, certainty, text)
                  for number, name, certainty, text in re.findall(r"^\| (-?\d+) \| `([A-Z_]+)` \| (DEFINITE|INDEFINITE) \| ([^|]+) \|", page, re.M)}
        self.assertGreater(len(declared), 30)
        self.assertEqual(declared, listed)

    def test_every_reason_but_none_says_whether_it_is_definite(self):
        proto = (ROOT / "proto/cordwood/v1/error.proto").read_text()
        body = re.search(r"enum Reason \{(.*?)\n\}", proto, re.S).group(1)
        for line in body.strip().splitlines():
            self.assertRegex(line, r"= 0;|// (DEFINITE|INDEFINITE)\b")

    def test_every_field_of_the_protocol_is_in_a_commented_file(self):
        for path in (ROOT / "proto/cordwood").rglob("*.proto"):
            text = path.read_text()
            self.assertTrue(text.startswith("// SPDX-License-Identifier: Apache-2.0\n// "), path)

    def test_the_readme_shows_hello_as_it_is_built(self):
        source = (ROOT / "client/examples/hello.cc").read_text()
        shown = re.search(r"```cpp\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
        self.assertEqual(shown, source[source.index("#include"):])

    def test_the_page_of_the_library_lists_every_option_with_its_default(self):
        page = (ROOT / "docs/reference/client-library.md").read_text()
        listed = set(re.findall(r"^\| `(\w+)` \|", page, re.M))
        for name in ("client", "producer", "consumer", "group"):
            header = (ROOT / f"client/cordwood/{name}.h").read_text()
            body = re.search(rf"struct {name.capitalize()}Options {{(.*?)\n}};", header, re.S).group(1)
            options = set(re.findall(r"^  [\w:]+ (\w+)(?: =|{)", body, re.M))
            self.assertGreaterEqual(len(options), 3)
            self.assertLessEqual(options, listed, name)

    def test_links_between_pages_lead_somewhere(self):
        pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
        for page in pages:
            for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}")


if __name__ == "__main__":
    unittest.main()
