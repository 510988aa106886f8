# Run by `ask.rs` with -I -S -c; prints one line of JSON about this interpreter.
# A path is bytes: each becomes the character of the same number, so that no
# encoding is guessed.
import json, os, sys, sysconfig

def path(value):
    return os.fsencode(value).decode("latin-1")

scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
if sys.implementation.name == "pypy" and "pypy" in sysconfig.get_scheme_names():
    scheme = "pypy"
print(json.dumps({
    "executable": path(sys.executable),
    "base_prefix": path(sys.base_prefix),
    "stdlib": path(os.path.dirname(os.__file__)),
    "site_packages": path(sysconfig.get_path("purelib", scheme, {"base": "", "platbase": ""})),
    "version": list(sys.version_info[:3]),
    "implementation": sys.implementation.name,
    "abiflags": getattr(sys, "abiflags", ""),
    "wide": sys.maxsize > 2**32,
}))
