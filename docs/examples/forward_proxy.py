"""A proxy for plain HTTP on this machine, to try `through_a_proxy.py`: `forward_proxy.py`."""

import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


class ForwardProxy(BaseHTTPRequestHandler):
    """Sends each request to the server in its URL, and prints it."""

    def do_POST(self) -> None:
        """Forward one request."""
        print("forwarding", self.command, self.path, flush=True)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = dict(self.headers)
        response = httpx.post(self.path, content=body, headers=headers, trust_env=False)
        self.send_response(response.status_code)
        self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        self.wfile.write(response.content)

    def log_message(self, *_: object) -> None:
        """Log nothing else."""


def main(port: int = 3128) -> None:
    """Listen on 127.0.0.1 until Ctrl-C."""
    server = ThreadingHTTPServer(("127.0.0.1", port), ForwardProxy)
    with suppress(KeyboardInterrupt), server:
        url = f"http://127.0.0.1:{server.server_port}"
        print(f"The proxy listens on {url}. Press Ctrl-C to stop it.", flush=True)
        server.serve_forever(poll_interval=0.01)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
