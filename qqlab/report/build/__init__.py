"""A profile and a spec to what the report says of them, in rooms: one for each part of the report.

Law: pure, total and deterministic: the same captures and spec give the same report, at any time and on any
machine. What is seen and what is documented stands in the spec's order, what is seen only after it, in order of
appearance.
"""

from collections.abc import Mapping, Sequence

import msgspec

from qqlab.capture import Capture
from qqlab.profile import Profile
from qqlab.report import findings, model
from qqlab.report.build.basis import Basis
from qqlab.report.build.behaviour import behaviour, transitions
from qqlab.report.build.captures import About, capture_part, glanced, names
from qqlab.report.build.codes import codes
from qqlab.report.build.commands import commands
from qqlab.report.build.coverage import coverage
from qqlab.report.build.notes import notes
from qqlab.report.build.summary import spec_part, summary
from qqlab.report.changes import between_reports, between_specs
from qqlab.report.glance import Tally
from qqlab.report.older import Older
from qqlab.report.say import Say
from qqlab.spec import Lang, Spec

__all__ = ["About", "assembled", "build", "names"]


def build(captures: Sequence[Capture], spec: Spec, lang: Lang = "en", *, against: Older | None = None) -> model.Report:
    """Make the report of some captures, held against a spec, in a language; the spec's texts are in its own.

    With `against`, it tells what changed: of the spec where that is an older spec, else of the traffic.
    """
    named = names(captures)
    seen = glanced(captures, named, spec)
    about = [About(name, one.path, one.header, one.torn) for one, name in zip(captures, named, strict=True)]
    return assembled(seen.part.profile(), seen.tallies, about, spec, lang, against=against)


def assembled(
    profile: Profile,
    tallies: Mapping[int, Tally],
    about: Sequence[About],
    spec: Spec,
    lang: Lang = "en",
    *,
    against: Older | None = None,
) -> model.Report:
    """The report of captures that were looked at: their profile, each of them as a whole, by its number, and what it
    says of itself; otherwise as `build`."""
    basis = Basis(profile, spec, Say(lang))
    parts = tuple(capture_part(one, tallies.get(number) or Tally()) for number, one in enumerate(about))
    told = tuple(commands(basis, transitions(basis.profile)))
    tables = tuple(codes(basis))
    noted = tuple(notes(basis.profile, basis.say))
    going_on = behaviour(basis)
    found = tuple(findings.findings(told, tables, noted, going_on, basis.say))
    report = model.Report(
        qqlab_report=model.FORMAT,
        lang=lang,
        spec=spec_part(spec),
        captures=parts,
        remarks=tuple(findings.remarks(basis.profile, spec, parts, basis.say)),
        summary=summary(basis.profile, told, parts),
        findings=found,
        coverage=coverage(basis.profile, spec, tables),
        commands=told,
        codes=tables,
        notes=noted,
        top=findings.top(found),
        behaviour=going_on,
    )
    return report if against is None else _held_against(against, report, spec, lang)


def _held_against(older: Older, report: model.Report, spec: Spec, lang: Lang) -> model.Report:
    """The report with what changed."""
    if older.spec is not None:
        changes, exchanges = tuple(between_specs(older.spec, spec, Say(lang))), None
    else:
        before = older.report or build(older.captures, spec, lang)
        changes, exchanges = tuple(between_reports(before, report, Say(lang))), before.summary.exchanges
    known = model.Against(name=older.name, kind=older.kind, exchanges=exchanges)
    return msgspec.structs.replace(report, against=known, changes=changes)
