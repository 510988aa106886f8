# Run by `sys_path.rs` in an environment, by -c; prints one line of JSON about where this
# interpreter looks for modules. Understood by Python 2.7, too.
import sys

found = list(sys.path)
# What -c puts first is the working directory: nothing is to be imported from there below.
first = bool(found) and found[0] == ""
if first:
    del sys.path[0]

import json, os

try:
    import sysconfig
except ImportError:
    sysconfig = None
try:
    import site
except ImportError:
    site = None


def path(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return os.fsencode(value).decode("latin-1")


def asked(function, *arguments):
    try:
        return function(*arguments)
    except Exception:
        return None


def paths(values):
    return [path(value) for value in values or []]


library = os.path.dirname(os.__file__)
platform = asked(sysconfig.get_path, "platstdlib") if sysconfig else None
user = asked(site.getusersitepackages) if hasattr(site, "getusersitepackages") else None
base = getattr(sys, "base_prefix", getattr(sys, "real_prefix", sys.prefix))
own = base_own = None
if hasattr(site, "getsitepackages"):
    own = asked(site.getsitepackages, [sys.prefix])
    base_own = asked(site.getsitepackages, [base])
print(json.dumps({
    "executable": path(sys.executable or ""),
    "version": sys.version.split()[0],
    "implementation": sys.implementation.name if hasattr(sys, "implementation") else "cpython",
    "prefix": path(sys.prefix),
    "base_prefix": path(base),
    "begins_with_script": first,
    "path": paths([entry for entry in found if entry]),
    "library": paths(sorted({library, platform or library})),
    "user": path(user) if user else None,
    "user_enabled": bool(getattr(site, "ENABLE_USER_SITE", False)),
    "packages": paths(own),
    "base_packages": paths(base_own),
    "pythonpath": paths([e for e in os.environ.get("PYTHONPATH", "").split(os.pathsep) if e]),
    "pythonhome": path(os.environ["PYTHONHOME"]) if os.environ.get("PYTHONHOME") else None,
}))
