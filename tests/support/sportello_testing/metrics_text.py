"""Prometheus' text format 0.0.4, read as strictly as its manual has it: anything it does not allow is an error.

    page = parse(text)
    page["sportello_queries_total"].kind            "counter"
    page.value("sportello_clients")                 7.0
    page.sum("sportello_queries_total", user="alice")
"""
import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_HELP = re.compile(rf"# HELP ({_NAME}) (.*)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?(e[+-]?\d+)?|Inf)|NaN")


class Family:
    def __init__(self, help_text):
        self.help, self.kind, self.samples = help_text, None, {}  # frozenset of (label, value) -> number


class Page(dict):
    def sum(self, name, **labels):
        """Of the samples that have these labels; there must be some."""
        wanted = set(labels.items())
        found = [value for key, value in self[name].samples.items() if wanted <= key]
        assert found, f"{name} has no sample with {labels}: {[dict(key) for key in self[name].samples]}"
        return sum(found)

    def value(self, name):
        (value,) = self[name].samples.values()
        return value

    def labels(self, name, label):
        return {dict(key)[label] for key in self[name].samples}


def _labels(text, line):
    labels = {}
    while text:
        match = _LABEL.match(text)
        assert match, f"not labels: {line!r}"
        assert match[1] not in labels, f"a label twice: {line!r}"
        labels[match[1]] = re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], match[2])
        text = text[match.end():]
        assert text or not match[3], f"ends with a comma: {line!r}"
    return frozenset(labels.items())


def parse(text):
    assert text.endswith("\n"), "the last line does not end"
    page, family, name = Page(), None, None
    for line in text[:-1].split("\n"):
        if match := _HELP.fullmatch(line):
            name = match[1]
            assert name not in page, f"a family twice: {line!r}"
            assert re.fullmatch(r"(?:[^\\]|\\\\|\\n)*", match[2]), f"a help that is not escaped: {line!r}"
            family = page[name] = Family(match[2])
        elif match := _TYPE.fullmatch(line):
            assert match[1] == name and family.kind is None and not family.samples, f"out of place: {line!r}"
            family.kind = match[2]
            assert (family.kind == "counter") == name.endswith("_total"), f"a name against its type: {line!r}"
        else:
            match = _SAMPLE.fullmatch(line)
            assert match and _NUMBER.fullmatch(match[3]), f"not a sample: {line!r}"
            assert match[1] == name and family.kind, f"not of its family: {line!r}"
            key = _labels(match[2] or "", line)
            assert key not in family.samples, f"a sample twice: {line!r}"
            family.samples[key] = float(match[3])
    return page
