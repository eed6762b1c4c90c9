"""What `python_client.rs` has the Python client do against a cluster: scenario.py tcp|udp ADDRESS ADDRESS ADDRESS.

Asks for the death of a replica by the line "kill ADDRESS", and goes on after a line on standard input.
"""

import contextlib
import socket
import sys
import threading

from kvpaxos import Client, OutcomeUnknown, Refused, Unavailable

TRANSPORT, SERVERS = sys.argv[1], sys.argv[2:]
WRITE = 2


def client(servers=SERVERS, timeout=60.0):
    return contextlib.closing(Client(servers, TRANSPORT, timeout))


def expect(what, error, call, *arguments):
    """The call must fail with exactly this error, whose message contains `what`."""
    try:
        result = call(*arguments)
    except (Refused, OutcomeUnknown) as found:
        assert type(found) is error and what in str(found), repr(found)
    else:
        raise AssertionError(f"not refused: {result!r}")


def every_operation():
    """Each operation and its results, on keys and values of any bytes."""
    with client() as ours:
        keys = [f"{TRANSPORT}/fruit {number}".encode() for number in range(5)]
        revisions = [ours.put(key, b"value of " + key) for key in keys]
        assert revisions == sorted(set(revisions)), "revisions order the writes"
        assert [ours.get(key) for key in keys] == [b"value of " + key for key in keys]
        assert [ours.delete(key) for key in keys] == [True] * 5
        assert [ours.delete(key) for key in keys] == [False] * 5
        assert [ours.get(key) for key in keys] == [None] * 5
        key = TRANSPORT.encode() + bytes(range(256))
        ours.put(key, b"")
        assert ours.get(key) == b"", "an empty value is a value"
        ours.put(key, bytes(range(256)) * 200)
        assert ours.get(key) == bytes(range(256)) * 200
        assert not ours.cas(key, None, b"created"), "it is not absent"
        assert ours.cas(key, bytes(range(256)) * 200, None), "removed"
        assert ours.get(key) is None
        assert ours.cas(key, None, b"created")
        assert not ours.cas(key, b"other", b"swapped")
        assert ours.cas(key, b"created", b"swapped")
        assert ours.get(key) == b"swapped"
        # Sequence numbers of more than a byte.
        for number in range(140):
            ours.put(key, str(number).encode())
        assert ours.get(key) == b"139"
        # The client acknowledged what it was answered: the cluster keeps nothing of it.
        if TRANSPORT == "tcp":
            ours.sequence = 100
            expect("already answered", Refused, ours.put, key, b"again")


def refusals():
    """What is over a limit is refused, and the client goes on."""
    with client() as ours:
        expect("key too long [5000, 4096]", Refused, ours.get, b"k" * 5000)
        expect("key too long [5000, 4096]", Refused, ours.put, b"k" * 5000, b"")
        expect("over the limit", Refused, ours.put, b"k", bytes(3_000_000))
        if TRANSPORT == "tcp":
            expect("value too long [1048577, 1048576]", Refused, ours.put, b"k", bytes(1_048_577))
            ours.put(b"large", bytes(1_048_576))
            assert ours.get(b"large") == bytes(1_048_576)
            swapped = ours.cas(b"large", bytes(1_048_576), bytes(1_048_575) + b"x")
            assert swapped, "the longest compare-and-swap"
        else:
            expect("over the limit", Refused, ours.put, b"k", bytes(70_000))
            with contextlib.closing(Client(SERVERS)) as other:
                other.put(b"large", bytes(100_000))
            expect("value too long [100000, 65507]", Refused, ours.get, b"large")
        ours.put(b"k", b"small")
        assert ours.get(b"k") == b"small"


class Proxy:
    """Stands before a replica and hands on requests and replies, but swallows the replies to writes."""

    def __init__(self, target):
        host, port = target.split(":")
        self.target = host, int(port)
        self.stream = TRANSPORT == "tcp"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self.socket.getsockname()[1])
        self.swallowed = 0
        threading.Thread(target=self.streams if self.stream else self.datagrams, daemon=True).start()

    def swallows(self, request):
        """Whether a request is a write. Its id is below 128 here, so the variant is the byte after it."""
        self.swallowed += request[13] == WRITE
        return request[13] == WRITE

    def streams(self):
        self.socket.listen()
        while True:
            near = self.socket.accept()[0]
            with near, socket.create_connection(self.target) as far:
                while request := near.recv(65536):
                    far.sendall(request)
                    reply = far.recv(65536)
                    if self.swallows(request):
                        break
                    near.sendall(reply)

    def datagrams(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.connect(self.target)
            while True:
                request, near = self.socket.recvfrom(65536)
                far.send(request)
                reply = far.recv(65536)
                if not self.swallows(request):
                    self.socket.sendto(reply, near)


def lost_replies():
    """A write whose reply is lost takes effect once, and without another replica its outcome is unknown."""
    proxy, key = Proxy(SERVERS[0]), TRANSPORT.encode() + b"/lost"
    with client() as ours:
        ours.delete(key)
    with client([proxy.address, SERVERS[1]]) as ours:
        assert ours.cas(key, None, b"first"), "the second copy gets the reply to the first"
        assert proxy.swallowed >= 1, "a copy went through the proxy"
        assert ours.cas(key, b"first", b"second"), "the session goes on"
        assert ours.get(key) == b"second"
    with client([proxy.address], 2.0) as ours:
        expect("", OutcomeUnknown, ours.put, key, b"third")
        assert ours.get(key) == b"third", "it was done all the same"


def lost_sessions():
    """A session that the cluster does not know any more."""
    with client() as ours:
        ours.put(b"k", b"before")
        ours.session = bytes([1, 99])
        if TRANSPORT == "tcp":
            ours.put(b"k", b"after")
        else:  # a second copy of the datagram may have been served before the session was dropped
            expect("session expired [1, 99]", OutcomeUnknown, ours.put, b"k", b"after")
            assert ours.session is None
            ours.put(b"k", b"after")
        assert ours.get(b"k") == b"after"


def dead_replica():
    """The replica that the client talks to is killed, and the client goes on elsewhere in the same session."""
    key = TRANSPORT.encode() + b"/count"
    with client() as ours:
        ours.put(key, b"0")
        session, server = ours.session, ours.servers[0]
        print("kill", server, flush=True)
        sys.stdin.readline()
        for number in range(20):
            assert ours.cas(key, str(number).encode(), str(number + 1).encode()), f"{number} was swapped once"
        assert ours.get(key) == b"20"
        assert ours.servers[0] != server and ours.session == session
        print("count is 20", flush=True)


def nobody():
    """Where nobody listens, nothing is changed. Over UDP nobody can tell."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{}".format(free.getsockname()[1])
    with client([address], 0.5) as ours:
        expect(address, Unavailable, ours.put, b"k", b"v")
        expect(address, Unavailable, ours.get, b"k")


every_operation()
refusals()
lost_replies()
lost_sessions()
nobody()
dead_replica()
print("done", flush=True)
