"""The `library` workload: the Library served on loopback, until standard input ends.

Started with the folder of the application, and with the one of its packages where the
interpreter does not find them by itself. The Library says on standard output where it
serves; the lab asks it there, and its first correct answer is what counts as ready.
"""

import os
import sys
import threading

# Nothing of what is measured may change while it is measured.
sys.dont_write_bytecode = True
if len(sys.argv) > 2:
    # What else is installed beside the interpreter, an environment would not see either.
    others = ("site-packages", "dist-packages")
    sys.path[:] = [folder for folder in sys.path if os.path.basename(folder) not in others]
sys.path[:0] = sys.argv[1:]
os.environ["DJANGO_SETTINGS_MODULE"] = "library.api_settings"


def end_with_input():
    os.read(0, 1)
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
# In a guest it is asked from outside.
host, port = os.environ.get("ISOLAB_ADDRESS", "127.0.0.1:0").split(":")
sys.argv[1:] = ["--host", host, "--port", port, "--quiet"]

import serve

serve.main()
