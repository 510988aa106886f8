"""Prints the files that the Python workload needs, as JSON.

Run by the interpreter in question, after the same imports: what it has loaded
by then is what it needs. Nothing is inferred from package lists.
"""

import json, os, sqlite3, ssl, struct, sys


def modules():
    """Source and cached bytecode of every module that came from a file."""
    for module in list(sys.modules.values()):
        for name in ("__file__", "__cached__"):
            path = getattr(module, name, None)
            if isinstance(path, str) and os.path.isfile(path):
                yield path


def replaced():
    """Files of modules that put another in their own place, as Python 3.13's collections.abc does."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        parent = sys.modules.get(name.rpartition(".")[0])
        if spec is None or spec.name == name or not hasattr(parent, "__path__"):
            continue
        for finder in sys.meta_path:
            found = finder.find_spec(name, parent.__path__)
            for path in (getattr(found, "origin", None), getattr(found, "cached", None)):
                if isinstance(path, str) and os.path.isfile(path):
                    yield path


def mapped():
    """Every file mapped into this process: the binary, the libraries, ld.so."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(None, 5)
            if len(fields) == 6 and os.path.isfile(fields[5]):
                yield fields[5]


def loader(path):
    """The program interpreter that an ELF executable names (elf(5), PT_INTERP)."""
    with open(path, "rb") as file:
        image = file.read(4096)
    if image[:5] != b"\x7fELF\x02":
        return None
    (offset,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for index in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", image, offset + index * size)
        if kind == 3:
            return image[start : start + length - 1].decode()
    return None


def names_of(libraries):
    """Symbolic links beside each library: programs ask for libx.so.1, not libx.so.1.2."""
    for folder in {os.path.dirname(path) for path in libraries}:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() and ".so" in entry.name:
                    target = os.path.realpath(entry.path)
                    if target in libraries:
                        yield entry.path, os.path.relpath(target, folder)


def start_up_code():
    """Files in the site-packages whose lines the interpreter runs at every start."""
    for folder in sys.path:
        if os.path.basename(folder) in ("site-packages", "dist-packages") and os.path.isdir(folder):
            for name in os.listdir(folder):
                if name.endswith(".pth"):
                    with open(os.path.join(folder, name), errors="replace") as lines:
                        if any(line.startswith(("import ", "import\t")) for line in lines):
                            yield name


binary = os.path.realpath(sys.executable)
libraries = {path for path in mapped() if ".so" in os.path.basename(path)}
files = {binary, *libraries, *modules(), *replaced()}
links = dict(names_of(libraries))
for merged in ("/bin", "/lib", "/lib32", "/lib64", "/sbin"):
    if os.path.islink(merged):
        links[merged] = os.readlink(merged)
interpreter = loader(binary)
if interpreter:
    files.add(os.path.realpath(interpreter))
    folder = os.path.realpath(os.path.dirname(interpreter))
    name = os.path.join(folder, os.path.basename(interpreter))
    if os.path.islink(name):
        links[name] = os.path.relpath(os.path.realpath(name), folder)
if os.path.isfile("/etc/ld.so.cache"):
    files.add("/etc/ld.so.cache")
for folder in sys.path:
    real = os.path.realpath(folder)
    if real != folder and os.path.isdir(real) and os.path.islink(folder):
        links[folder] = os.path.relpath(real, os.path.realpath(os.path.dirname(folder)))
# The interpreter looks for these folders to find its own prefix.
folders = [os.path.realpath(path) for path in sys.path if path.endswith("lib-dynload")]
# A path below a merged folder is kept under its real name, once.
files = {os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)) for path in files}
json.dump({"binary": binary, "folders": folders, "files": sorted(files), "links": links, "start_up_code": sorted(set(start_up_code()))}, sys.stdout)
