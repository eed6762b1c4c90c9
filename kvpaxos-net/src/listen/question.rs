//! One connection of the port for metrics and probes: what is asked on it, within bounds, and the answer.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a request may take to arrive, and how long all of it with its answer.
const HEADERS: Duration = Duration::from_secs(3);
const WHOLE: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const HEAD: usize = 8 * 1024;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    Metrics,
    /// Whether it is alive.
    Health,
    /// Whether it serves reads and writes.
    Ready,
    /// There is no such page.
    Unknown,
    /// Another method than GET and HEAD.
    NotAllowed,
}

impl Question {
    fn of(method: &Method, path: &str) -> Question {
        match path {
            _ if method != Method::GET && method != Method::HEAD => Question::NotAllowed,
            "/metrics" => Question::Metrics,
            "/health" => Question::Health,
            "/ready" => Question::Ready,
            _ => Question::Unknown,
        }
    }
}

/// The answer to [`Question::Unknown`].
pub(crate) fn unknown() -> Response<Full<Bytes>> {
    let pages = "there are /metrics, /health and /ready\n";
    text(StatusCode::NOT_FOUND, pages.to_owned())
}

/// The answer to [`Question::NotAllowed`].
pub(crate) fn not_allowed() -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// An answer of plain text.
pub(crate) fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Reads one request, and writes its answer.
///
/// # Errors
/// Why the connection ended before that, in words.
pub(crate) async fn serve<S, A>(stream: S, answer: impl Fn(Question) -> A) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let answer = answer(Question::of(request.method(), request.uri().path()));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD)
        .keep_alive(false)
        // A client may say that it asks no more, and still read.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(WHOLE, connection).await {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err("it took too long".to_owned()),
    }
}

/// What the port for metrics and probes answers to these bytes, with the name of the page in the place of its
/// content. For tests and fuzzing: there is no replica behind it.
///
/// # Errors
/// If the system gives no room for a timer.
pub fn converse(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let answer = |question| async move {
        match question {
            Question::Unknown => unknown(),
            Question::NotAllowed => not_allowed(),
            question => text(StatusCode::OK, format!("{question:?}\n")),
        }
    };
    runtime.block_on(async {
        // Room for all of it, so that nobody waits for the other.
        let (near, mut far) = tokio::io::duplex(bytes.len() + 64 * 1024);
        far.write_all(bytes).await?;
        far.shutdown().await?;
        // How it ended shows in what was answered.
        let _ = serve(near, answer).await;
        let mut answered = Vec::new();
        far.read_to_end(&mut answered).await?;
        Ok(answered)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &str) -> String {
        String::from_utf8(converse(request.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn pages_are_found_and_other_words_are_refused() {
        for (request, begins, ends) in [
            (
                "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\n",
                "Metrics\n",
            ),
            (
                "GET /health?a=b HTTP/1.0\r\n\r\n",
                "HTTP/1.0 200 OK\r\n",
                "Health\n",
            ),
            (
                "HEAD /ready HTTP/1.1\r\nhost: x\r\n\r\n",
                "HTTP/1.1 200 OK\r\n",
                "\r\n\r\n",
            ),
            (
                "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
                "HTTP/1.1 404 Not Found\r\n",
                "/ready\n",
            ),
            (
                "POST /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
                "HTTP/1.1 405 Method Not Allowed\r\n",
                "HEAD\n",
            ),
            (
                "this is no request\r\n\r\n",
                "HTTP/1.1 400 Bad Request\r\n",
                "\r\n\r\n",
            ),
            ("GET /metrics HTTP/1.1\r\n", "", ""),
        ] {
            let answer = answer(request);
            assert!(
                answer.starts_with(begins) && answer.ends_with(ends),
                "{request:?}: {answer:?}"
            );
        }
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD));
        assert!(answer(&long).starts_with("HTTP/1.1 431 "), "{}", answer(&long));
    }
}
