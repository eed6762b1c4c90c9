//! Transactions and reads of several keys, through the client and real replicas.

use bytes::Bytes;
use kvpaxos::{Condition, Holds, Refusal, Step, StepError, StepResult, Transaction, When};
use kvpaxos_net::ClientError;

use crate::common::{ProcessCluster, runtime};

fn keys(names: &[&'static str]) -> Vec<Bytes> {
    names.iter().map(|name| Bytes::from(*name)).collect()
}

#[test]
fn transactions_and_reads_of_several_keys() {
    runtime().block_on(async {
        let cluster = ProcessCluster::start(3, &[]);
        cluster.leader().await;
        let (client, other) = (cluster.client_of(&[0]), cluster.client_of(&[2]));
        assert_eq!(client.increment("n", 5).await.unwrap(), 5);
        assert_eq!(other.increment("n", -7).await.unwrap(), -2);
        assert_eq!(client.append("text", "ab").await.unwrap(), 2);
        assert_eq!(other.append("text", "c").await.unwrap(), 3);
        let failed = client.increment("text", 1).await.unwrap_err();
        assert_eq!(failed, ClientError::Failed(StepError::NotAnInteger));

        // What another client changes meanwhile is noticed.
        let seen = client.lengths(keys(&["n", "none", "text"])).await.unwrap();
        assert_eq!(seen.lengths, [Some(2), None, Some(3)]);
        let unchanged = |since| Condition {
            key: "n".into(),
            holds: Holds::Unchanged { existed: true, since },
        };
        let take = |since| Transaction {
            conditions: vec![unchanged(since)],
            steps: vec![
                Step::Delete {
                    key: "text".into(),
                    previous: true,
                },
                Step::Put {
                    key: "n".into(),
                    value: "0".into(),
                    when: When::Present,
                    previous: false,
                },
            ],
        };
        other.increment("n", 1).await.unwrap();
        let refused = client.transaction(take(seen.revision)).await.unwrap();
        assert_eq!(refused.results, None);
        let seen = client.get_many(keys(&["n", "none", "text"])).await.unwrap();
        assert_eq!(seen.values, [Some("-1".into()), None, Some("abc".into())]);
        let done = client.transaction(take(seen.revision)).await.unwrap();
        let changed = |previous| StepResult::Changed {
            applied: true,
            previous,
        };
        assert_eq!(
            done.results,
            Some(vec![changed(Some("abc".into())), changed(None)])
        );
        assert!(done.revision > seen.revision);

        // Pages of one scan from several replicas.
        for number in 0..40 {
            client.put(format!("key-{number}"), "").await.unwrap();
        }
        assert_eq!(other.count().await.unwrap(), 41);
        let (mut listed, mut cursor, mut pages) = (Vec::new(), 0, 0);
        loop {
            let replica = if pages % 2 == 0 { &client } else { &other };
            let page = replica.scan(cursor, 7).await.unwrap();
            listed.extend(page.keys);
            (cursor, pages) = (page.next, pages + 1);
            if cursor == 0 {
                break;
            }
        }
        listed.sort();
        listed.dedup();
        assert_eq!(listed.len(), 41);
        assert!(pages >= 6, "{pages} pages");

        let many = client.lengths(vec![Bytes::new(); 5000]).await.unwrap_err();
        assert!(matches!(
            many,
            ClientError::Refused(Refusal::TooMany {
                count: 5000,
                limit: 4096,
                ..
            })
        ));
    });
}
