"""Says which version of a distribution this interpreter sees, and holds.

Printed as one line of JSON: the version by the metadata, what the module itself
does (null where it cannot be imported), whether the companion is seen, and the
interpreter's own version and prefix.
"""

import importlib.util
import json
import sys

try:
    from importlib.metadata import PackageNotFoundError, version
except ImportError:  # Python 3.7 and older
    version = None


def by_metadata(name):
    if version is None:
        return None
    try:
        return version(name)
    except PackageNotFoundError:
        return None


try:
    import isolab_greeting

    says = isolab_greeting.greet("you") if hasattr(isolab_greeting, "greet") else isolab_greeting.hail("you")
except ImportError:
    says = None

print(
    json.dumps(
        {
            "version": by_metadata("isolab_greeting"),
            "says": says,
            "companion": importlib.util.find_spec("isolab_companion") is not None,
            "python": "%d.%d.%d" % sys.version_info[:3],
        }
    ),
    flush=True,
)
sys.stdin.read()
