"""Makes the Library ready to be served: its bytecode, and its books in their tables.

Run once, with the same folders as the workload, as the build of its image would.
"""

import compileall, os, sys

if len(sys.argv) > 2:
    # What else is installed beside the interpreter, an environment would not see either.
    others = ("site-packages", "dist-packages")
    sys.path[:] = [folder for folder in sys.path if os.path.basename(folder) not in others]
sys.path[:0] = sys.argv[1:]
os.environ["DJANGO_SETTINGS_MODULE"] = "library.api_settings"

import django

django.setup()
import serve

serve.make_tables()
compileall.compile_dir(sys.argv[1], quiet=2)
