//! Seeds for the port for metrics and probes.

use crate::Seeds;

/// What is sent to it. The names begin with the status of the answer.
pub(super) fn requests() -> Seeds {
    let requests: [(&str, &[u8]); 9] = [
        ("200-metrics", b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("200-old", b"GET /health?a=b HTTP/1.0\r\n\r\n"),
        (
            "200-head",
            b"HEAD /ready HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ),
        ("404-page", b"GET http://x/y HTTP/1.1\r\nhost: x\r\n\r\n"),
        (
            "405-body",
            b"POST /metrics HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
        ),
        (
            "405-chunks",
            b"PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        ("400-words", b"this is no request\r\n\r\n"),
        (
            "400-lengths",
            b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        ),
        ("none-cut", b"GET /metrics HTTP/1.1\r\n"),
    ];
    requests
        .into_iter()
        .map(|(name, request)| (format!("http_requests/{name}").into(), request.to_vec()))
        .collect()
}
