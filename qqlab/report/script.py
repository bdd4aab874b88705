"""What the page's script says, which has no template to say it.

Law: sentences alone; each placeholder is filled by the script.
"""

from qqlab.report.say import Say


def script_words(say: Say) -> dict[str, object]:
    """The script's sentences by the names that it knows them by."""
    _ = say.translated
    return {
        "theme": _("Light, dark, or as the system has it"),
        "themes": {"system": _("Theme: system"), "light": _("Theme: light"), "dark": _("Theme: dark")},
        "kinds": {"command": _("command"), "field": _("field"), "code": _("code"), "exchange": _("exchange")},
        "nothing": _("Nothing was found."),
        "sifted": _("{shown} of {whole} fields and codes"),
        "found": _("{found} of {sampled} exchanges"),
        "more": _("Show more: {count} left"),
        "exchange": _("Exchange {id}"),
        "no_command": _("(no command)"),
        "not_sampled": _("This exchange is not in the sample that this page holds."),
        "time": _("Time"),
        "took": _("Answered in"),
        "session": _("Session"),
        "account": _("Account"),
        "transport": _("Transport"),
        "error": _("Error"),
        "request": _("Request"),
        "reply": _("Reply"),
        "raw_request": _("Request as it was sent"),
        "raw_reply": _("Reply as it was sent"),
        "no_request": _("There is none: the server sent its message unasked."),
        "no_reply": _("There is none."),
        "field": _("Field"),
        "value": _("Value"),
        "rows": _("Rows"),
        "row_count": _("Rows: {count}"),
        "more_fields": _("{count} more fields"),
        "before": _("← Previous"),
        "after": _("Next →"),
        "odd": _("with notes"),
        "outcomes": {
            "done": _("done"),
            "refused": _("refused"),
            "failed": _("failed"),
            "unanswered": _("no reply"),
            "unasked": _("sent unasked"),
            "unclear": _("answered"),
        },
        "severities": {"error": _("error"), "warning": _("warning"), "info": _("info")},
    }
