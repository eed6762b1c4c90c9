#!/usr/bin/env python3
"""A client of a kvpaxos cluster, written from kvpaxos-net/docs/wire.md with the standard library only.

A client has one request in flight and is not for two threads at once: give each thread its own.
"""
import argparse
import contextlib
import os
import random
import socket
import sys
import time
import zlib

MAX_REQUEST, MAX_REPLY, MAX_DATAGRAM = 12 + 2_101_312, 12 + 4_260_352, 65_507  # the longest frames
OPENED, CLOSED, DONE, DELETED, SWAPPED, VALUE, STATUS, REFUSED, UNKNOWN = range(9)
REFUSALS = ("key too long", "value too long", "busy", "session expired", "already answered", "out of window", "unavailable", "memory lost",
            "the replicas differ", "too many", "transaction too long", "answer too long", "password required", "wrong password")
EXPIRED, FINAL = 3, (0, 1, 3, 4, 12, 13)  # after a final refusal the same request is not sent again
CONNECT, ATTEMPT, FAREWELL = 1.0, {"tcp": 2.5, "udp": 0.5}, 0.5  # seconds


class Refused(Exception):
    """The request was refused, and nothing was changed."""


class Unavailable(Refused):
    """No replica could serve the request in time, and nothing was changed."""


class OutcomeUnknown(Exception):
    """The write may have taken effect, or may still do so."""


def number(value):
    """Encodes a number."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + number(value >> 7)


def string(value):
    """Encodes a byte string."""
    return number(len(value)) + value


def seal(kind, payload):
    """Puts a frame around a payload: kind 2 for a request, 3 for a reply."""
    head = b"KP\4" + bytes([kind]) + len(payload).to_bytes(4, "little")
    return head + zlib.crc32(payload, zlib.crc32(head)).to_bytes(4, "little") + payload


def read_reply(frame):
    """Reads the id, the variant and the fields of a reply. All are numbers, but for the value of a key."""
    if seal(3, frame[12:]) != frame:
        raise ValueError("the reply is damaged")
    fields, field, shift = [], 0, 0
    for end, byte in enumerate(frame[12:], 13):
        field, shift = field | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            fields, field, shift = fields + [field], 0, 0
        if len(fields) == 6 and fields[1] == VALUE:  # there is a value, and this was its length
            return fields[:5] + [frame[end:end + fields[5]]]
    return fields


def exchange(sock, request, identity, until):
    """Sends a request, and returns the reply to it from its variant on. OSError or ValueError: there is none."""
    sock.settimeout(max(0.001, until - time.monotonic()))
    sock.sendall(request)
    received = b""
    while True:
        while len(received) < 12 or len(received) < (end := 12 + int.from_bytes(received[4:8], "little")):
            sock.settimeout(max(0.001, until - time.monotonic()))
            piece = sock.recv(1 << 17)
            if not piece or time.monotonic() > until or len(received) > MAX_REPLY:
                raise OSError("the replica closed the connection, or takes too long, or sends too much")
            received += piece
        reply, received = read_reply(received[:end]), received[end:]
        if reply[:1] == [identity]:  # others are late
            return reply[1:]


class Client:
    """Asks the replicas of a list of "host:port", from the first on, until one answers. Shuffle it to spread clients.
    Over TCP it speaks TLS if `tls` is an ssl.SSLContext, and shows the `password` (bytes) if there is one."""

    def __init__(self, servers, transport="tcp", timeout=10.0, tls=None, password=None):
        self.tls, self.login = tls, b"" if password is None else seal(2, b"\0\12" + string(password))
        self.servers, self.timeout, self.attempt = list(servers), timeout, ATTEMPT[transport]
        self.stream, self.nonce = transport == "tcp", random.SystemRandom().getrandbits(64)
        self.socket, self.session, self.sequence, self.opened, self.requests = None, None, 0, 0, 0

    def get(self, key):
        """Reads a key. Returns its value, or None if it is absent."""
        fields = self._ask(b"\3" + string(key), VALUE, time.monotonic() + self.timeout)
        return fields[3] if fields[2] else None

    def put(self, key, value):
        """Sets a key. Returns the revision: two numbers, which order all writes of the store."""
        return tuple(self._write(b"\0" + string(key) + string(value), DONE))

    def delete(self, key):
        """Removes a key. Returns whether it had a value."""
        return self._write(b"\1" + string(key), DELETED)[2] == 1

    def cas(self, key, expect, value):
        """Sets a key to `value` if it holds `expect`; None is an absent key. Returns whether it did."""
        options = (b"\0" if option is None else b"\1" + string(option) for option in (expect, value))
        return self._write(b"\2" + string(key) + b"".join(options), SWAPPED)[2] == 1

    def close(self):
        """Ends the session, unless that takes longer than half a second, and the connection."""
        with contextlib.suppress(Unavailable):
            if self.session is not None:
                self._ask(b"\1" + self.session, CLOSED, time.monotonic() + FAREWELL)
        self._go_on_to_the_next()

    def _write(self, operation, wanted):
        until, fields = time.monotonic() + self.timeout, None
        while fields is None:
            if self.session is None:
                tag = number(self.nonce) + number(self.opened)
                self.session = b"".join(map(number, self._ask(b"\0" + tag, OPENED, until)))
                self.sequence, self.opened = 0, self.opened + 1
            place = self.session + 2 * number(self.sequence)  # it is the lowest unanswered one, too
            self.sequence += 1
            fields = self._ask(b"\2" + place + operation, wanted, until, write=True)
        return fields

    def _ask(self, body, wanted, until, write=False):
        """Sends a request until it is answered. Returns None for a write that needs a new session."""
        doubt, tried, why = False, 0, "no answer in time"
        while time.monotonic() < until:
            self.requests += 1
            frame, variant, earlier = seal(2, number(self.requests) + body), None, doubt or not self.stream
            if len(frame) > (MAX_REQUEST if self.stream else MAX_DATAGRAM):
                raise Refused(f"a frame of {len(frame)} bytes is over the limit")
            try:
                self._connect(until)
                doubt = write
                variant, *fields = exchange(self.socket, frame, self.requests, min(until, time.monotonic() + self.attempt))
            except (OSError, ValueError) as error:
                why = f"{self.servers[0]}: {error}"
            if variant == wanted:
                return fields
            if variant == REFUSED:
                doubt, why = write and earlier, " ".join(REFUSALS[fields[0]:][:1]) + f" {fields[1:]}"
                if fields[0] == EXPIRED:
                    self.session = None
                    if not doubt:
                        return None
                if fields[0] in FINAL:
                    raise OutcomeUnknown(why) if doubt and fields[0] >= EXPIRED else Refused(why)
            self._go_on_to_the_next()
            tried += 1
            if variant is not None or tried % len(self.servers) == 0:
                pause = random.uniform(0.5, 1) * min(1, 0.02 * 2 ** min(tried, 6))
                time.sleep(max(0, min(pause, until - time.monotonic())))
        raise OutcomeUnknown(why) if doubt else Unavailable(why)

    def _connect(self, until):
        if self.socket is None:
            (host, _, port), kind = self.servers[0].rpartition(":"), socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM
            family, _, _, _, target = socket.getaddrinfo(host.strip("[]"), port, type=kind)[0]
            self.socket = socket.socket(family, kind)
            self.socket.settimeout(max(0.001, min(until - time.monotonic(), CONNECT)))
            self.socket.connect(target)
            if self.tls is not None:
                self.socket = self.tls.wrap_socket(self.socket, server_hostname=host.strip("[]"))
            if self.login:
                self.socket.sendall(self.login)  # the reply has the id 0, which no request has

    def _go_on_to_the_next(self):
        if self.socket is not None:
            self.socket.close()
        self.socket, self.servers = None, self.servers[1:] + self.servers[:1]


def main():
    parser = argparse.ArgumentParser(description="Asks a kvpaxos cluster.")
    parser.add_argument("--servers", required=True, help="host:port,host:port,...")
    parser.add_argument("--transport", choices=ATTEMPT, default="tcp")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds")
    parser.add_argument("operation", choices=("get", "put", "delete", "cas"))
    parser.add_argument("words", nargs="+", type=os.fsencode, metavar="key, values")
    options = parser.parse_args()
    if len(options.words) != {"get": 1, "put": 2, "delete": 1, "cas": 3}[options.operation]:
        parser.error("get and delete take a key, put a key and a value, cas a key and two values")
    try:
        with contextlib.closing(Client(options.servers.split(","), options.transport, options.timeout)) as client:
            result = getattr(client, options.operation)(*options.words)
    except (Refused, OutcomeUnknown) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return {Refused: 3, Unavailable: 4, OutcomeUnknown: 5}[type(error)]
    sys.stdout.buffer.write((result if isinstance(result, bytes) else str(result).encode()) + b"\n")
    return 1 if result is None or result is False else 0


if __name__ == "__main__":
    sys.exit(main())
