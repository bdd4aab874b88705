"""The traffic as a whole, and the spec that it was held against."""

from collections.abc import Iterable

from qqlab.profile import VERDICTS, Profile
from qqlab.report import model
from qqlab.report.build.basis import listed, same
from qqlab.spec import Spec


def spec_part(spec: Spec) -> model.SpecPart:
    """What the report says of the spec itself."""
    sources = (
        model.Source(id=name, title=source.title, trust=source.trust, primary=source.primary)
        for name, source in spec.sources.items()
    )
    return model.SpecPart(
        name=spec.name,
        title=spec.title,
        version_field=spec.roles.version,
        sources=tuple(sources),
        roles=same(spec.roles, model.RolePart),
        wire=same(spec.wire, model.WirePart),
    )


def summary(
    profile: Profile, commands: Iterable[model.CommandPart], captures: Iterable[model.CapturePart]
) -> model.Summary:
    """The counts of all traffic, and how many fields have which verdict."""
    fields = [
        field
        for command in commands
        if command.seen
        for direction in command.directions.values()
        for field in direction.fields
    ]
    times = [time for capture in captures for time in (capture.first, capture.last) if time is not None]
    return model.Summary(
        exchanges=profile.exchanges,
        requests=profile.requests,
        replies=profile.replies,
        failed=profile.failed,
        unanswered=profile.unanswered,
        unasked=profile.unasked,
        foreign=profile.foreign,
        first=min(times, default=None),
        last=max(times, default=None),
        sessions=listed(profile.sessions),
        clients=listed(profile.clients),
        servers=listed(profile.servers),
        accounts=listed(profile.accounts),
        versions=listed(profile.versions),
        errors=listed(profile.errors),
        verdicts={verdict: sum(field.verdict == verdict for field in fields) for verdict in VERDICTS},
        unproven=sum(not field.proven for field in fields),
    )
