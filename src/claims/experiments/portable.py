"""Says what it is made of and what it computes, and nothing of where it runs.

The ready byte first, then one line of JSON: the interpreter's version, a sum over
every file that it has loaded, and results of C libraries that came along.
"""

import binascii
import json
import os
import sqlite3
import ssl
import sys

files = {sys.executable, __file__}
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None)
    if isinstance(path, str) and os.path.isfile(path):
        files.add(path)
total = 0
for path in sorted(files):
    with open(path, "rb") as file:
        total = binascii.crc32(path.encode() + file.read(), total)

database = sqlite3.connect(":memory:")
primes = "with recursive n(i) as (select 2 union all select i + 1 from n where i < 2000) \
select count(*), sum(i) from n where not exists (select 1 from n as d where d.i * d.i <= n.i and n.i % d.i = 0)"
said = {
    "python": sys.version,
    "openssl": ssl.OPENSSL_VERSION,
    "sqlite": sqlite3.sqlite_version,
    "files": len(files),
    "sum": "%08x" % total,
    "primes": database.execute(primes).fetchone(),
}
os.write(1, b"R" + json.dumps(said).encode() + b"\n")
if sys.argv[1:] == ["hold"]:
    os.read(0, 1)
