"""An app that ends well: on SIGTERM it goes on serving for a while, until clients have noticed, and then exits with 0."""

import http.server
import os
import signal
import threading
import time

DRAIN_S = float(os.environ.get("DRAIN_S", "2"))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = os.environ.get("COLOUR", "none").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def drain(*_: object) -> None:
    print("draining", flush=True)
    threading.Thread(target=lambda: (time.sleep(DRAIN_S), os._exit(0))).start()


signal.signal(signal.SIGTERM, drain)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT0"])), Handler).serve_forever()
