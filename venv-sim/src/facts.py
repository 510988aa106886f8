# Run by `ask.rs` with -I -S -c; prints one line of JSON about this interpreter.
# Understood by Python 2.7, too, which has no -I.
# A path is bytes: each becomes the character of the same number, so that no
# encoding is guessed.
import sys
sys.path[:] = [entry for entry in sys.path if entry]  # not the working directory
import json, os, platform, re, sysconfig

def path(value):
    return (value if isinstance(value, bytes) else os.fsencode(value)).decode("latin-1")

def glibc():
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None
    found = re.match(r"glibc (\d+)\.(\d+)", version or "")
    return found and [int(part) for part in found.groups()]

implementation = getattr(sys, "implementation", None)
name = implementation.name if implementation else platform.python_implementation().lower()

def implementation_version():
    if not implementation:
        return "0"
    version = sys.implementation.version
    text = "{}.{}.{}".format(*version[:3])
    return text if version[3] == "final" else text + version[3][0] + str(version[4])

# A build from a repository calls itself 3.14.0+, which is no version of PEP 440.
full_version = platform.python_version()
if full_version.endswith("+"):
    full_version += "local"

scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
if name == "pypy" and "pypy" in sysconfig.get_scheme_names():
    scheme = "pypy"
setting = sysconfig.get_config_var
print(json.dumps({
    "executable": path(sys.executable),
    "base_prefix": path(getattr(sys, "base_prefix", sys.prefix)),
    "stdlib": path(os.path.dirname(os.__file__)),
    "site_packages": path(sysconfig.get_path("purelib", scheme, {"base": "", "platbase": ""})),
    "version": list(sys.version_info[:3]),
    "abiflags": getattr(sys, "abiflags", ""),
    "wide": sys.maxsize > 2**32,
    "cache_tag": getattr(implementation, "cache_tag", None),
    "markers": {
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_system": platform.system(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "python_full_version": full_version,
        "implementation_name": name,
        "implementation_version": implementation_version(),
    },
    "build": {
        "platform": sysconfig.get_platform(),
        "glibc": glibc(),
        "nodot": str(setting("py_version_nodot") or ""),
        "ext_suffix": setting("EXT_SUFFIX") or "",
        "debug": bool(setting("Py_DEBUG")) or hasattr(sys, "gettotalrefcount"),
        "free_threaded": bool(setting("Py_GIL_DISABLED")),
        "pymalloc": setting("WITH_PYMALLOC") in (None, 1, "1"),
        "wide_unicode": sys.maxunicode > 0xFFFF,
    },
}))
