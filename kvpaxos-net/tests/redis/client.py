"""redis-py against the replicas whose ports are given: what applications do with it, over both versions of the protocol."""

import sys

import redis

ports = [int(port) for port in sys.argv[1:]]


def check(protocol):
    first, second, third = (
        redis.Redis(port=port, protocol=protocol, decode_responses=True) for port in ports
    )
    first.delete("py", "py:n", "py:a", "py:b", *first.scan_iter("py:many:*"))
    assert first.set("py", "red") and second.get("py") == "red"
    assert third.set("py", "green", xx=True, get=True) == "red"
    assert first.set("py", "blue", nx=True) is None
    assert second.append("py", "!") == 6 and third.strlen("py") == 6
    assert first.getdel("py") == "green!" and second.exists("py") == 0
    assert second.incr("py:n", 5) == 5 and third.decr("py:n") == 4
    assert first.mset({"py:a": 1, "py:b": 2}) and second.mget("py:a", "py:x", "py:b") == ["1", None, "2"]
    assert third.msetnx({"py:a": 7, "py:y": 7}) is False and first.get("py:y") is None

    # A pipeline with and without MULTI.
    for transaction in (True, False):
        pipeline = second.pipeline(transaction=transaction)
        for number in range(1000):
            pipeline.set(f"py:many:{number}", number).get(f"py:many:{number}")
        replies = pipeline.execute()
        assert replies[:2] == [True, "0"] and replies[-2:] == [True, "999"], replies[-2:]
    assert len(set(third.scan_iter("py:many:*", count=77))) == 1000
    assert len(first.keys("py:many:99?")) == 10

    # Optimistic locking: the first attempt is disturbed through another replica.
    disturbed = []

    def double(pipe):
        value = int(pipe.get("py:n"))
        if not disturbed:
            disturbed.append(third.incr("py:n"))
        pipe.multi()
        pipe.set("py:n", 2 * value)

    assert first.transaction(double, "py:n") == [True] and second.get("py:n") == "10"

    try:
        first.incr("py:a:text" if first.set("py:a:text", "x") else "")
        raise AssertionError("a text is no number")
    except redis.ResponseError as error:
        assert str(error) == "value is not an integer or out of range", error
    try:
        first.set("py", "x", ex=10)
        raise AssertionError("there is no time to live")
    except redis.ResponseError as error:
        assert "not supported" in str(error), error
    try:
        first.lpush("py:list", 1)
        raise AssertionError("there are no lists")
    except redis.ResponseError as error:
        assert str(error).startswith("unknown command 'LPUSH'"), error
    assert first.ping() and second.echo("hi") == "hi" and third.dbsize() > 1000
    assert first.config_get("databases") == {"databases": "1"}
    assert second.info()["redis_version"].startswith("7.")
    assert first.client_setname("me") and first.client_getname() == "me" and first.client_id() > 0
    assert first.command_count() >= 40
    for client in (first, second, third):
        client.close()


for protocol in (2, 3):
    check(protocol)
print(f"redis-py {redis.__version__}: done")
