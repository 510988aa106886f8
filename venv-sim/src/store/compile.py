# Compiles the files that the standard input names to where Python looks for their bytecode,
# below the directory of the first argument, and says of each, in the order given, whether it
# did: "+" and where, or "-".
import os
import sys
from importlib.util import cache_from_source
from py_compile import compile

flags = {}
if sys.version_info >= (3, 7):
    from py_compile import PycInvalidationMode

    # Not what SOURCE_DATE_EPOCH would choose.
    flags["invalidation_mode"] = PycInvalidationMode.TIMESTAMP

for line in sys.stdin.buffer.read().splitlines():
    path = os.fsdecode(line)
    try:
        place = cache_from_source(path, optimization="")
        target = os.path.join(sys.argv[1], place)
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        compile(path, target, path, True, **flags)
        answer = b"+" + os.fsencode(place)
    except Exception:
        answer = b"-"
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()
