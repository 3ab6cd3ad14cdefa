"""A chat client with nothing but the standard library: one JSON object a line."""

import json
import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as conn:
    lines = conn.makefile("r", encoding="utf-8", newline="\n")

    def send(message):
        conn.sendall(json.dumps(message, ensure_ascii=False).encode("utf-8") + b"\n")

    def await_type(wanted):
        for line in lines:
            message = json.loads(line)
            if message["type"] == wanted:
                print(line, end="", flush=True)
                return message
        sys.exit(f"the connection ended before a {wanted} came")

    send({"type": "login", "username": "alice", "password": "secret"})
    if not await_type("login_response")["success"]:
        sys.exit("not welcome")
    send({"type": "chat", "username": "alice", "content": "你好, bob"})
    await_type("chat_message")
    send({"type": "logout", "username": "alice"})
    await_type("logout_response")
    if lines.readline():
        sys.exit("something came after the goodbye")
