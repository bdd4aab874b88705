"""How much of the spec was seen: all of it, and by protocol version."""

from collections.abc import Iterable

from qqlab.profile import Profile
from qqlab.report import model
from qqlab.report.build.basis import tallies
from qqlab.spec import Command, Spec


def coverage(profile: Profile, spec: Spec, codes: Iterable[model.CodePart]) -> model.Coverage:
    """What was seen of what is documented."""
    fields = list(spec.every_field())
    documented = [value for code in codes for value in code.values if value.readings]
    return model.Coverage(
        commands=model.Ratio(
            seen=sum(name in profile.commands for name in spec.commands), documented=len(spec.commands)
        ),
        fields=model.Ratio(
            seen=sum(
                any(tally.filled.count for tally in tallies(profile, command, direction, field))
                for command, direction, field in fields
            ),
            documented=len(fields),
        ),
        codes=model.Ratio(seen=sum(value.evidence.count > 0 for value in documented), documented=len(documented)),
        versions=tuple(_version(profile, spec, version) for version in spec.versions),
    )


def _version(profile: Profile, spec: Spec, version: str) -> model.VersionCoverage:
    commands = {name: command for name, command in spec.commands.items() if version in command.versions}
    missing = tuple(name for name, command in commands.items() if not _spoken(profile, command, version))
    filled = [
        [tally.versions[version] for tally in tallies(profile, command, direction, field) if version in tally.versions]
        for command, direction, field in spec.every_field()
        if (command is None or command.name in commands) and (not field.versions or version in field.versions)
    ]
    return model.VersionCoverage(
        version=version,
        doc=spec.versions[version].doc,
        source=spec.versions[version].source,
        exchanges=profile.versions.counts.get(version, 0),
        commands=model.Ratio(seen=len(commands) - len(missing), documented=len(commands)),
        missing=missing,
        fields=model.Ratio(seen=sum(any(values) for values in filled), documented=len(filled)),
        only_empty=sum(bool(values) and not any(values) for values in filled),
    )


def _spoken(profile: Profile, command: Command, version: str) -> bool:
    """Whether a command was seen in that version; a push counts in any, since replies do not tell theirs."""
    tally = profile.commands.get(command.name)
    return tally is not None and (command.effect == "push" or version in tally.versions)
