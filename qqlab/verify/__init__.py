"""Whether a recording is what it says: whole, in order, read the same as ever, and without secrets.

Law: pure but for reading files, in little memory. What is wrong is a problem with its place, never an exception, except
for what cannot be read at all. A secret is never in a problem's text, only whose it is and where it stands.
"""

from qqlab.verify.examination import Examination, Examined, examine
from qqlab.verify.problems import RULES, Problem, Problems, Severity
from qqlab.verify.repairs import Repaired, repair
from qqlab.verify.secrets import Secrets, search

__all__ = [
    "RULES",
    "Examination",
    "Examined",
    "Problem",
    "Problems",
    "Repaired",
    "Secrets",
    "Severity",
    "examine",
    "repair",
    "search",
]
