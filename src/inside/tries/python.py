"""Prints what an interpreter knows of itself and of what it stands on, as JSON.

Few modules, since a root file system made for another program has only what
that needs.
"""

import json, os, site, sys


def packages():
    """Where pip would install: the first directory for packages on the path."""
    for folder in sys.path:
        if os.path.basename(folder) in ("site-packages", "dist-packages"):
            return folder
    return site.getsitepackages()[0]


def library():
    """The C library that is mapped into this process."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(None, 5)
            name = os.path.basename(fields[5]) if len(fields) == 6 else ""
            if name.startswith(("libc.so", "libc-", "ld-musl")):
                return fields[5]


print(json.dumps({
    "packages": packages(),
    "interpreter": os.path.realpath(sys.executable),
    "standard": os.path.dirname(os.path.realpath(os.__file__)),
    "library": library(),
}))
