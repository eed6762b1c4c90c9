//! Files that change while a replica runs.

use std::time::{Duration, SystemTime};

use kvpaxos::ReplicaId;
use kvpaxos_net::{ClientPorts, ClientTls, ReplicaTls, Security};

use super::{Files, client, cluster, why_not};
use crate::common::{PATIENCE, runtime};

#[test]
fn certificates_are_replaced_while_the_replica_runs() {
    let (files, others) = (Files::new(), Files::new());
    runtime().block_on(async {
        files.issue(0, &["127.0.0.1"]);
        let tls = ReplicaTls::load(ReplicaId(0), files.options(0, ClientPorts::Required)).unwrap();
        let local = cluster(1, |_| Security {
            tls: Some(tls.clone()),
            ..Security::default()
        })
        .await;
        let address = local.clients(0).to_string();
        let early = client(std::slice::from_ref(&address), Some(files.client()), PATIENCE);
        early.put("k", "v").await.unwrap();
        assert!(!tls.reload().unwrap(), "nothing has changed");

        let good = std::fs::read(files.path("r0.pem")).unwrap();
        let key = std::fs::read(files.path("r0.key")).unwrap();
        let other_key = std::fs::read(others.path("ca.key")).unwrap();
        let foreign = others.authority.replica(ReplicaId(0), &[], 10).unwrap();
        let second = files.authority.replica(ReplicaId(1), &[], 10).unwrap();
        for (certificate, key, part) in [
            (&b"garbage"[..], &key[..], "there is none in it"),
            (&good[..100], &key, "does not hold a certificate in PEM"),
            (&good, &b""[..], "does not hold a private key in PEM"),
            (
                &good,
                &other_key,
                "the private key is that of another certificate",
            ),
            (
                foreign.certificate.as_bytes(),
                foreign.key.as_bytes(),
                "it is not of the authority",
            ),
            (
                second.certificate.as_bytes(),
                second.key.as_bytes(),
                "not for r0.kvpaxos.internal",
            ),
        ] {
            std::fs::write(files.path("r0.pem"), certificate).unwrap();
            std::fs::write(files.path("r0.key"), key).unwrap();
            let error = tls.reload().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("r0."), "{part}: {error}");
            let late = client(std::slice::from_ref(&address), Some(files.client()), PATIENCE);
            assert_eq!(
                late.get("k").await.unwrap().value.unwrap(),
                "v",
                "what was good stays"
            );
        }

        // Another authority, one step after the other: trusted beside the old one, and then by its own.
        let trusts_others = ClientTls::load(&others.path("ca.pem"), None).unwrap();
        let moved = others
            .authority
            .replica(ReplicaId(0), &["127.0.0.1".to_owned()], 10)
            .unwrap();
        let mut both = std::fs::read(files.path("ca.pem")).unwrap();
        both.extend(std::fs::read(others.path("ca.pem")).unwrap());
        std::fs::write(files.path("ca.pem"), both).unwrap();
        files.write("r0", &moved);
        assert!(
            why_not(&address, Some(trusts_others.clone()))
                .await
                .contains("not of the authority")
        );
        assert!(tls.reload().unwrap());
        let late = client(std::slice::from_ref(&address), Some(trusts_others), PATIENCE);
        assert_eq!(late.get("k").await.unwrap().value.unwrap(), "v");
        assert_eq!(
            early.get("k").await.unwrap().value.unwrap(),
            "v",
            "the old connection goes on"
        );
    });
}

#[test]
fn it_is_known_until_when_a_certificate_is_valid() {
    let files = Files::new();
    let day = Duration::from_secs(24 * 3600);
    for days in [1, 30, 5_000] {
        let before = SystemTime::now();
        files.write("r3", &files.authority.replica(ReplicaId(3), &[], days).unwrap());
        let tls = ReplicaTls::load(ReplicaId(3), files.options(3, ClientPorts::Plain)).unwrap();
        let valid = days * day;
        let (least, most) = (before + valid, SystemTime::now() + valid + Duration::from_secs(2));
        let found = tls.valid_until();
        assert!(least <= found && found <= most, "{days}: {found:?}");
    }
}

#[test]
fn a_certificate_must_be_that_of_the_replica() {
    let files = Files::new();
    files.issue(1, &["127.0.0.1"]);
    let error = ReplicaTls::load(ReplicaId(2), files.options(1, ClientPorts::Plain)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the certificate {} cannot be used: it is for r1.kvpaxos.internal, 127.0.0.1, and not for r2.kvpaxos.internal",
            files.path("r1.pem").display()
        )
    );
    let missing = ReplicaTls::load(ReplicaId(2), files.options(2, ClientPorts::Plain)).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read "), "{missing}");
}
