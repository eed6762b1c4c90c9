//! The HTTP port of a replica: metrics, and probes for whoever starts it or sends clients to it.

use kvpaxos_net::Bounds;

use crate::common::local::{LocalCluster, get, send};
use crate::common::{PATIENCE, runtime};

#[test]
fn metrics_and_probes_tell_how_a_replica_is() {
    runtime().block_on(async {
        let mut local = LocalCluster::start(3, Bounds::default()).await;
        let http = local.http(0);
        local.client(0).get("first").await.expect("it is answered");
        assert_eq!(
            local
                .metric(0, r#"kvpaxos_requests_total{operation="put",outcome="done"}"#)
                .await,
            1.0
        );
        assert_eq!(
            local
                .metric(0, r#"kvpaxos_request_seconds_count{operation="get"}"#)
                .await,
            1.0
        );
        assert!(local.metric(0, "kvpaxos_peer_received_bytes_total").await > 0.0);
        assert!(local.metric(0, "kvpaxos_peer_sent_bytes_total").await > 0.0);
        assert!(local.metric(0, "kvpaxos_client_received_bytes_total").await > 0.0);
        assert!(local.metric(0, "kvpaxos_applied_slots_total").await > 0.0);
        assert_eq!(local.metric(0, "kvpaxos_keys").await, 1.0);
        let leaders = local.metric(0, "kvpaxos_leads").await
            + local.metric(1, "kvpaxos_leads").await
            + local.metric(2, "kvpaxos_leads").await;
        assert_eq!(leaders, 1.0);

        assert_eq!(get(http, "/health").await.0, "HTTP/1.1 200 OK");
        let (ready, why) = get(http, "/ready").await;
        assert_eq!(ready, "HTTP/1.1 200 OK", "{why}");
        assert!(get(http, "/nothing").await.0.contains("404"));
        let post = b"POST /metrics HTTP/1.1\r\nHost: k\r\nContent-Length: 3\r\n\r\nabc";
        assert!(send(http, post).await.contains("405"));

        // Too much, garbage, and nothing at all: each connection ends.
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
        assert!(!send(http, long.as_bytes()).await.contains("200 OK"));
        assert!(!send(http, &[0xff; 1000]).await.contains("200 OK"));
        assert!(
            !send(http, b"GET /metrics HTTP/1.1\r\nHost")
                .await
                .contains("200 OK")
        );

        // Alone it is alive, and serves nobody.
        for node in local.nodes.drain(1..) {
            node.stop().await.expect("it stops");
        }
        let began = std::time::Instant::now();
        let why = loop {
            let (ready, why) = get(http, "/ready").await;
            if ready.contains("503") {
                break why;
            }
            assert!(began.elapsed() < PATIENCE, "it is ready without a quorum");
        };
        assert!(!why.trim_end().is_empty());
        assert_eq!(get(http, "/health").await.0, "HTTP/1.1 200 OK");
    });
}
