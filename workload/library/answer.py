"""Has the Library answer once, in the interpreter that is then asked for its closure.

Run with the same folders as the workload: what had to be loaded for an answer is what the
Library needs of the standard library.
"""

import os, sys

sys.dont_write_bytecode = True
if len(sys.argv) > 2:
    # What else is installed beside the interpreter, an environment would not see either.
    others = ("site-packages", "dist-packages")
    sys.path[:] = [folder for folder in sys.path if os.path.basename(folder) not in others]
sys.path[:0] = sys.argv[1:]
os.environ["DJANGO_SETTINGS_MODULE"] = "library.api_settings"

import threading, wsgiref.util, serve
from django.core.wsgi import get_wsgi_application

library = get_wsgi_application()
serve.make_tables()
for page in ("/", "/api/"):
    request = {"PATH_INFO": page}
    wsgiref.util.setup_testing_defaults(request)
    said = []
    answer = b"".join(library(request, lambda status, headers: said.append(status)))
    if said != ["200 OK"]:
        sys.exit(f"the Library answers {said} to {page}")
serve.make_server("127.0.0.1", 0, library, serve.Server, serve.QuietHandler).server_close()
