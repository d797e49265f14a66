"""A mail server that refuses some mails, and keeps the links of the others."""

import email
import re
import socket
import threading

LINK = re.compile(r"https?://\S+[?&]token=([A-Za-z0-9_-]+)")


class MailServer:
    """Listens on a free port. `refuse_every`: of so many mails one is refused for the moment, or its connection is cut."""

    def __init__(self, refuse_every):
        self.refuse_every = refuse_every
        self.lock = threading.Lock()
        self.taken = self.refused = 0
        self.links = {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            stream, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        with stream, stream.makefile("rwb") as lines:
            try:
                self.converse(lines)
            except OSError:
                pass

    def converse(self, lines):
        def say(text):
            lines.write(f"{text}\r\n".encode())
            lines.flush()

        say("220 mail")
        while line := lines.readline():
            command = line.strip().upper()
            if command == b"DATA":
                say("354 go on")
                body = b"".join(iter(lines.readline, b".\r\n"))
                number = self.number()
                if number % self.refuse_every:
                    self.keep(body)
                    say("250 taken")
                elif number % 2:
                    say("451 not now")
                else:
                    return
            elif command == b"QUIT":
                return say("221 bye")
            else:
                say("250 mail")

    def number(self):
        with self.lock:
            number = self.taken + self.refused + 1
            if number % self.refuse_every:
                self.taken += 1
            else:
                self.refused += 1
            return number

    def keep(self, body):
        message = email.message_from_bytes(body)
        part = next(part for part in message.walk() if part.get_content_type() == "text/plain")
        text = part.get_payload(decode=True).decode()
        if "password" in message["Subject"].lower() and (link := LINK.search(text)):
            self.links[message["To"].strip("<>")] = link[1]

    def take_link(self, address):
        """The token of the last mail to this address that has not been taken yet."""
        return self.links.pop(address, None)
