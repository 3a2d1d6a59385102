"""A webhook server on loopback: an HTTPS server that answers admission reviews as the name of the object asks it to."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Hook", "serving"]

REFUSALS: dict[str, dict[str, Any]] = {
    "plain": {},
    "reason": {"status": {"reason": "Conflict", "code": 409}},
    "message": {"status": {"message": "not on my platform"}},
    "coded": {"status": {"message": "quota of team", "code": 429, "reason": "TooManyRequests"}},
    "invalid": {
        "status": {
            "message": "bad thing", "code": 422, "reason": "Invalid",
            "details": {"causes": [{"field": "spec.x", "message": "bad"}]},
        }
    },
}  # fmt: skip


class Hook:
    """`url` with its certificate; `reviews` is what it was asked, oldest first."""

    def __init__(self, url: str, certificate: bytes) -> None:
        self.url = url
        self.certificate = certificate
        self.reviews: list[dict[str, Any]] = []
        self.closing = threading.Event()

    def client(self, path: str = "/") -> dict[str, str]:
        """The `clientConfig` of a webhook."""
        return {"url": self.url + path, "caBundle": base64.b64encode(self.certificate).decode()}

    def answer(self, path: str, review: dict[str, Any]) -> dict[str, Any]:
        self.reviews.append(review)
        seen = review.get("object") or review["oldObject"]
        case = str(seen["metadata"].get("labels", {}).get("case", ""))
        if case == "slow":
            self.closing.wait(10)
        response: dict[str, Any] = {"uid": review["uid"], "allowed": case not in REFUSALS, **REFUSALS.get(case, {})}
        if case == "warned":
            response["warnings"] = ["careful"]
        if path.startswith("/mutate"):
            patch = [{"op": "add", "path": "/metadata/annotations", "value": {"mutated": review["operation"]}}]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        return response


@contextmanager
def serving(directory: Path) -> Iterator[Hook]:
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    who = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *files, *who], check=True, capture_output=True, timeout=30)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    hook = Hook(f"https://127.0.0.1:{server.server_address[1]}", certificate.read_bytes())
    server.hook = hook  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        hook.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))["request"]
        response = self.server.hook.answer(self.path, review)  # type: ignore[attr-defined]
        body = json.dumps(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        ).encode()
        try:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # who asked has gone
