"""Is the node in this container ready? Exit code 0, or 1 and a line that says why not.

Asked every few seconds on every node, so it must cost next to nothing: one GET, the standard library, no imports of
the store. Where to ask is read from the command line and the environment of process 1, by the same rules: the last flag
wins, then the environment, then the default; a --config file is not read, so an address that stands only there needs
its flag here. A node whose metrics door is off is asked whether its gRPC door still accepts connections, which is the
most that can be known so cheaply.
"""

import os
import socket
import sys

TIMEOUT = 3.0


def setting(words: list[str], environment: dict[str, str], flag: str, variable: str, default: str) -> str:
    """Flags are written -name value, --name value, -name=value or --name=value."""
    found = environment.get(variable) or default
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in (f"-{flag}", f"--{flag}"):
            found = value if equals else "".join(words[position + 1 : position + 2])
    return found


def endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    return ("localhost" if host in ("", "0.0.0.0", "::") else host), int(port)


def ready(address: str) -> tuple[bool, str]:
    """What /readyz says."""
    with socket.create_connection(endpoint(address), TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
        reply = b""
        while part := connection.recv(4096):
            reply += part
    head, _, body = reply.partition(b"\r\n\r\n")
    return head.split(b" ", 2)[1:2] == [b"200"], body.decode(errors="replace").strip()


def main() -> int:
    with open("/proc/1/cmdline", "rb") as file:
        words = [word.decode(errors="replace") for word in file.read().split(b"\0")]
    metrics = setting(words, dict(os.environ), "metricsAddress", "ELASTICKV_METRICS_ADDRESS", "localhost:9090")
    grpc = setting(words, dict(os.environ), "address", "ELASTICKV_ADDRESS", "localhost:50051")
    try:
        if metrics:
            well, why = ready(metrics)
        else:
            socket.create_connection(endpoint(grpc), TIMEOUT).close()
            well, why = True, "accepts connections"
    except (OSError, ValueError) as error:
        well, why = False, f"{metrics or grpc}: {error}"
    sys.stdout.write(f"{why}\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
