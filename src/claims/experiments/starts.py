"""Says that it runs, by way of the standard library; with `hold`, waits."""

import json
import os
import sys

print(json.loads('"it runs"'), flush=True)
if sys.argv[1:] == ["hold"]:
    os.read(0, 1)
