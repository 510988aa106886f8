"""Loads a module and says which shared libraries came with it.

Printed as one line of JSON: those that were mapped by the import and lie neither in the
interpreter's own tree nor in its standard library, so that the system has to have them.
"""

import json
import os
import sys


def mapped():
    with open("/proc/self/maps") as maps:
        fields = [line.rstrip("\n").split(None, 5) for line in maps]
    return {line[5] for line in fields if len(line) == 6 and ".so" in os.path.basename(line[5])}


before = mapped()
__import__(sys.argv[1])
own = [os.path.dirname(os.path.realpath(os.__file__))]
if os.path.realpath(sys.base_prefix) not in ("/", "/usr", "/usr/local"):
    own.append(os.path.realpath(sys.base_prefix))
inside = tuple(os.path.join(folder, "") for folder in own)
print(json.dumps(sorted(path for path in mapped() - before if not path.startswith(inside))), flush=True)
