"""Serves the Library, and first makes its tables where there are none.

The server is the standard library's, one thread for each request: the course
measures what isolation costs, and a faster server would only be one more
package to install.
"""

import argparse
import os
import sys
from socketserver import TCPServer, ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "library.settings")


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    # The name of the address would be looked up, which takes seconds where
    # there is no network.
    def server_bind(self):
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address
        self.setup_environ()


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_):
        pass

    # Nor that of whoever asks.
    def address_string(self):
        return self.client_address[0]


def make_tables():
    """Makes the tables and fills them, unless that was done before."""
    from django.core.management import call_command
    from django.db import connection

    if "books_book" not in connection.introspection.table_names():
        call_command("migrate", verbosity=0)
        call_command("loaddata", "books", verbosity=0)


def main():
    parser = argparse.ArgumentParser(description="Serve the Library")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--quiet", action="store_true", help="log no request")
    arguments = parser.parse_args()

    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    make_tables()
    handler = QuietHandler if arguments.quiet else WSGIRequestHandler
    server = make_server(arguments.host, arguments.port, application, Server, handler)
    print(f"serving on http://{arguments.host}:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
