# The first module that Python 2.7 imports in an environment of the legacy layout.
#
# That Python knows no pyvenv.cfg. It takes the directory above the program for its
# own because os.py is there, a link into the real library. From here on modules
# come from the real library, packages from here, and what is Python's own is left to
# the real site.py. The file may be shared by hard link between environments.
import imp
import posix
import sys


def _begin():
    library = posix.readlink(sys.prefix + "/lib/python2.7/os.py")[:-len("/os.py")]
    base = library[:-len("/lib/python2.7")]
    sys.base_prefix = sys.base_exec_prefix = base
    # The mark by which installers of that time know an environment.
    sys.real_prefix = base
    own = sys.prefix + "/lib/python2"
    sys.path[:] = [
        base + entry[len(sys.prefix):] if entry.startswith(own) else entry
        for entry in sys.path
    ]

    with open(sys.prefix + "/pyvenv.cfg") as config:
        lines = [line.split("=", 1) for line in config if "=" in line]
    values = dict((key.strip().lower(), value.strip().lower()) for key, value in lines)
    system = values.get("include-system-site-packages") == "true"

    flags = sys.flags
    if not system:
        # The user's packages are the system's: the real site asks just this flag.
        class Flags(object):
            no_user_site = 1
        sys.flags = Flags
    try:
        with open(library + "/site.py", "U") as source:
            # It takes the place of this module, bytecode and all.
            imp.load_module("site", source, library + "/site.py", (".py", "U", imp.PY_SOURCE))
    finally:
        sys.flags = flags
    if system:
        site = sys.modules["site"]
        environment, site.PREFIXES = site.PREFIXES, [base]
        site.addsitepackages(set(sys.path))
        site.PREFIXES = environment


_begin()
