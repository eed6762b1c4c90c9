//! What `kvpaxos client --walkthrough` does before it gives the prompt: it stores some keys, and then puts,
//! gets and deletes.

use std::time::Instant;

use kvpaxos_net::{Client, ClientError};

use super::actions::{delete, get, put};
use crate::exit::Exit;
use crate::terminal::say;

/// The keys that are stored, and their values.
const FRUIT: [(&str, &str); 5] = [
    ("apple", "red"),
    ("banana", "yellow"),
    ("cherry", "crimson"),
    ("damson", "blue"),
    ("elderberry", "black"),
];

/// Runs to the end, whatever the outcomes. Returns the code of the first error, if there is one.
pub(super) async fn run(client: &Client) -> Exit {
    let mut exit = Exit::Done;
    let mut note = |outcome: Exit| {
        if exit == Exit::Done {
            exit = outcome;
        }
    };
    say!("Five keys are stored:");
    for (key, value) in FRUIT {
        let key = format!("fruit/{key}");
        note(step(&format!("PUT {key} {value}"), put(client, key, value)).await);
    }
    say!("Five PUTs, five GETs and five DELETEs:");
    for (key, value) in FRUIT {
        let colour = format!("colour/{value}");
        note(step(&format!("PUT {colour} {key}"), put(client, colour, key)).await);
    }
    for (key, _) in FRUIT {
        let key = format!("fruit/{key}");
        note(step(&format!("GET {key}"), get(client, key)).await);
    }
    for (key, _) in FRUIT {
        let key = format!("fruit/{key}");
        note(step(&format!("DELETE {key}"), delete(client, key)).await);
    }
    exit
}

/// Carries out a request and prints it with its outcome.
async fn step(what: &str, request: impl Future<Output = Result<String, ClientError>>) -> Exit {
    let began = Instant::now();
    let ended = request.await;
    let took = began.elapsed().as_secs_f64() * 1e3;
    match ended {
        Ok(answer) => {
            say!("  {what:<26}  {answer}  ({took:.1} ms)");
            Exit::Done
        }
        Err(error) => {
            say!("  {what:<26}  error: {error}  ({took:.1} ms)");
            Exit::from(&error)
        }
    }
}
