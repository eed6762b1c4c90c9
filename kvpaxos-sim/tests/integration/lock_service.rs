//! The example `lock_service` in the simulator. CI runs it on sockets.

#[path = "../../examples/lock_service/locks.rs"]
mod locks;
#[path = "../../examples/lock_service/server.rs"]
mod server;
#[path = "../../examples/lock_service/simulated.rs"]
mod simulated;

use kvpaxos_sim::protocol::{find, record};
use locks::{Action, Answer};

#[test]
fn tokens_go_up_under_faults() {
    let service = simulated::LockService;
    let found = find(&service, 0..12);
    assert!(found.is_none(), "{}", found.unwrap().violation.unwrap());
    let run = record(&service, 1);
    let is_taken = |answer: &Answer| matches!(answer, Answer::Taken { .. });
    let taken = run.calls.iter().filter(|call| {
        call.reply
            .as_ref()
            .is_some_and(|(_, told)| is_taken(&told.answer))
    });
    let asked = run
        .calls
        .iter()
        .filter(|call| matches!(call.request.action, Action::Take { .. }));
    let (taken, asked) = (taken.count(), asked.count());
    assert!(taken > 5 && taken < asked, "{taken} of {asked}");
    assert!(run.scenario.faults.len() > 5, "{}", run.size());
}
