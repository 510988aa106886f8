"""Uses its interpreter, waits for a line, and uses it again.

The arguments are modules of the standard library that it has not loaded yet: half of
them are loaded before the line, half after it. Prints one line of JSON for each half:
how many there were, how many could be loaded, and the last complaint.
"""

import json
import sys


def load(names):
    loaded, complaint = 0, None
    for name in names:
        try:
            __import__(name)
            loaded += 1
        except Exception as error:
            complaint = "%s: %s" % (type(error).__name__, error)
    print(json.dumps({"asked": len(names), "loaded": loaded, "complaint": complaint}), flush=True)


names = sys.argv[1:]
half = len(names) // 2
load(names[:half])
sys.stdin.readline()
load(names[half:])
