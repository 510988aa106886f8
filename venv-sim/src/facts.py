# Run by `ask.rs` with -I -S -c; prints one line of JSON about this interpreter.
# A path is bytes: each becomes the character of the same number, so that no
# encoding is guessed.
import json, os, platform, re, sys, sysconfig

def path(value):
    return os.fsencode(value).decode("latin-1")

def glibc():
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None
    found = re.match(r"glibc (\d+)\.(\d+)", version or "")
    return found and [int(part) for part in found.groups()]

def implementation_version():
    version = sys.implementation.version
    text = "{}.{}.{}".format(*version[:3])
    return text if version[3] == "final" else text + version[3][0] + str(version[4])

# A build from a repository calls itself 3.14.0+, which is no version of PEP 440.
full_version = platform.python_version()
if full_version.endswith("+"):
    full_version += "local"

scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
if sys.implementation.name == "pypy" and "pypy" in sysconfig.get_scheme_names():
    scheme = "pypy"
setting = sysconfig.get_config_var
print(json.dumps({
    "executable": path(sys.executable),
    "base_prefix": path(sys.base_prefix),
    "stdlib": path(os.path.dirname(os.__file__)),
    "site_packages": path(sysconfig.get_path("purelib", scheme, {"base": "", "platbase": ""})),
    "version": list(sys.version_info[:3]),
    "abiflags": getattr(sys, "abiflags", ""),
    "wide": sys.maxsize > 2**32,
    "cache_tag": sys.implementation.cache_tag,
    "markers": {
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_system": platform.system(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "python_full_version": full_version,
        "implementation_name": sys.implementation.name,
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
    },
}))
