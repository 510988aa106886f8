"""The `python` workload: the interpreter's start and three imports.

Writes the ready byte when they are done; with `hold`, waits on standard input
before it exits. `json` is pure Python, `ssl` and `sqlite3` load C libraries.
"""

import json
import os
import sqlite3
import ssl
import sys

# Used, so that an import that only seemed to work does not count as ready.
json.dumps(ssl.OPENSSL_VERSION_INFO + sqlite3.sqlite_version_info)
os.write(1, b"R")
if sys.argv[1:] == ["hold"]:
    os.read(0, 1)
