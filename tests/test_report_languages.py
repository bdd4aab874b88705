"""Sentences in templates: what they are filled with is harmless, whatever it is."""

from markupsafe import Markup

from qqlab.report import render


def test_what_fills_a_sentence_is_escaped_as_what_a_template_prints() -> None:
    page = render._environment(True, "en").from_string('{{ _("{a} <b>and</b> {b}", a=a, b=b) }}')
    assert page.render(a="<i>\x1b", b=Markup("<i>x</i>")) == "&lt;i&gt;\\x1b <b>and</b> <i>x</i>"
    text = render._environment(False, "en").from_string('{{ _("*{a}* and {b}", a=a, b=b) }}')
    assert text.render(a="<i>*", b=3) == "*&#60;i&#62;\\** and 3"
