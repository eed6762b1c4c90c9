//! The crate `redis` against the replicas whose ports are given.

use redis::{Commands, RedisResult};

fn main() -> RedisResult<()> {
    for protocol in ["resp2", "resp3"] {
        let mut connections = Vec::new();
        for port in std::env::args().skip(1) {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}/0?protocol={protocol}"))?;
            connections.push(client.get_connection()?);
        }
        let [first, second, third] = &mut connections[..] else {
            panic!("three ports are given");
        };
        let () = first.del(&["rs", "rs:n"])?;
        let () = first.set("rs", "red")?;
        let value: String = second.get("rs")?;
        assert_eq!(value, "red");
        let is_new: bool = third.set_nx("rs", "blue")?;
        assert!(!is_new);
        let values: Vec<Option<String>> = first.mget(&["rs", "rs:none"])?;
        assert_eq!(values, [Some("red".to_owned()), None]);
        let (length, count): (usize, i64) = redis::pipe().append("rs", "!").incr("rs:n", 5).query(second)?;
        assert_eq!((length, count), (4, 5));
        // Optimistic locking, disturbed once.
        let mut disturbed = false;
        let doubled: (i64,) = redis::transaction(first, &["rs:n"], |connection, pipeline| {
            let value: i64 = connection.get("rs:n")?;
            if !disturbed {
                disturbed = true;
                let _: i64 = third.incr("rs:n", 1)?;
            }
            pipeline.incr("rs:n", value).query(connection)
        })?;
        assert_eq!(doubled, (12,));
        let found: Vec<String> = second.scan_match::<_, String>("rs*")?.collect::<RedisResult<_>>()?;
        assert_eq!(found.len(), 2);
        let error = redis::cmd("LPUSH").arg("l").arg(1).exec(first).unwrap_err();
        assert!(error.to_string().contains("unknown command 'LPUSH'"), "{error}");
    }
    println!("the crate redis: done");
    Ok(())
}
