"""Listens on a port of the loopback address, asks itself over it, and holds.

The port is the first argument, 0 for a free one; the second is the word that it
answers. Prints one line of JSON: the port and what came back over it, or the name
of the error by which it was refused.
"""

import errno
import json
import socket
import sys

port, word = int(sys.argv[1]), sys.argv[2].encode()
said = {}
listener = socket.socket()
try:
    listener.bind(("127.0.0.1", port))
    listener.listen(5)
    said["port"] = listener.getsockname()[1]
    client = socket.socket()
    client.settimeout(5)
    client.connect(("127.0.0.1", said["port"]))
    answering, _ = listener.accept()
    answering.sendall(word)
    answering.close()
    said["heard"] = client.recv(64).decode()
except OSError as error:
    said["error"] = errno.errorcode.get(error.errno, "unknown")
print(json.dumps(said), flush=True)
sys.stdin.read()
