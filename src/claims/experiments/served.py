"""Serves a Django project of two pages on a free port of the loopback address.

Started with the series of Django that the project was written for, and refuses to
run under another one. Prints one line of JSON: the port, Django's version and
Python's. Ends with its standard input. Kept to what Python 2.7 and Django 1.5 know.
"""

import json
import sys
import threading

import django
from django.conf import settings

WANTED = sys.argv[1]
if not (django.get_version() + ".").startswith(WANTED + "."):
    sys.exit("this project needs Django %s, and there is %s" % (WANTED, django.get_version()))

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={},
    DEBUG=False,
    INSTALLED_APPS=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use to anybody",
    **({"MIDDLEWARE_CLASSES": []} if django.VERSION < (2, 0) else {"MIDDLEWARE": []})
)

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.utils.html import escape

try:
    from django.urls import re_path
except ImportError:  # before 2.0
    from django.conf.urls import url as re_path


def version(request):
    return HttpResponse(django.get_version(), content_type="text/plain")


def page(request):
    text = "the project of Django %s on Python %d.%d" % ((WANTED,) + sys.version_info[:2])
    return HttpResponse("<!doctype html><title>Library</title><p>%s</p>" % escape(text))


urlpatterns = [re_path("^version$", version), re_path("^$", page)]

try:
    from socketserver import TCPServer
except ImportError:  # Python 2
    from SocketServer import TCPServer
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


class Server(WSGIServer):
    def server_bind(self):
        """As the original, without asking anybody for the name of the address."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]
        self.setup_environ()


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass

    def address_string(self):
        return self.client_address[0]


server = Server(("127.0.0.1", 0), Quiet)
server.set_app(get_wsgi_application())
serving = threading.Thread(target=server.serve_forever)
serving.daemon = True
serving.start()
said = {
    "port": server.server_port,
    "django": django.get_version(),
    "python": "%d.%d.%d" % sys.version_info[:3],
}
sys.stdout.write(json.dumps(said) + "\n")
sys.stdout.flush()
sys.stdin.read()
