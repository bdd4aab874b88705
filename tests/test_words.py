"""The catalogue of a report's words: it has every sentence that a report can say, and nothing else, well set."""

import re
import string

import pytest
import typography
from conftest import ROOT
from sentences import everywhere, in_template

from qqlab.report.say import words
from qqlab.spec import LANGS

TRANSLATED = [lang for lang in LANGS if lang != "en"]
SAID = everywhere(ROOT)


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def elements(sentence: str) -> list[str]:
    return sorted(re.findall(r"</?\w+>", sentence))


@pytest.mark.parametrize("lang", TRANSLATED)
def test_every_sentence_is_translated(lang: str) -> None:
    assert {sentence: place for sentence, place in SAID.items() if sentence not in words(lang)} == {}


@pytest.mark.parametrize("lang", TRANSLATED)
def test_nothing_is_translated_that_nobody_says(lang: str) -> None:
    assert [sentence for sentence in words(lang) if sentence not in SAID] == []


@pytest.mark.parametrize("lang", TRANSLATED)
def test_a_translation_has_the_same_placeholders_and_markup(lang: str) -> None:
    wrong = [
        sentence
        for sentence, said in words(lang).items()
        if placeholders(sentence) != placeholders(said) or elements(sentence) != elements(said)
    ]
    assert wrong == []


@pytest.mark.parametrize("lang", TRANSLATED)
def test_it_ends_as_english_does(lang: str) -> None:
    wrong = [sentence for sentence, said in words(lang).items() if (sentence[-1] == ".") != (said[-1] == "。")]
    assert wrong == []


def test_chinese_is_set_as_chinese_is() -> None:
    plain = {one: re.sub(r"\{[^}]*\}", "·", re.sub("<[^>]*>", "", said)).strip() for one, said in words("zh").items()}
    assert {sentence: wrong for sentence, said in plain.items() if (wrong := typography.mistakes(said))} == {}


def test_a_sentence_of_a_template_is_a_literal() -> None:
    assert list(in_template('{{ _("a") }} {{ count(2, "b") }}')) == [("a", 1), ("{count:,} bs", 1)]
    with pytest.raises(AssertionError, match="no literal"):
        list(in_template("{{ _(name) }}"))
