//! The calls of a run as a history, for the linearizability checker.

use crate::history::{Answer, History, Operation};
use crate::linearizability::{Budget, Verdict, check};
use crate::protocol::seam::Call;

/// Judges calls by a model: it says for each call which operations on registers it stands for, each with its
/// answer if the call was answered. The operations of one call take effect in any order within the time of the call.
///
/// # Errors
/// If no order of the operations explains the answers, and what shows that; or if an answer is none that its operation can have.
pub fn linearizable<Q, A>(
    calls: &[Call<Q, A>],
    model: impl Fn(&Call<Q, A>) -> Vec<(Operation, Option<Answer>)>,
) -> Result<(), String> {
    let mut events = Vec::new();
    let mut process = 0;
    for call in calls {
        for (operation, answer) in model(call) {
            process += 1;
            events.push((call.at, process, Err(operation)));
            if let (Some((at, _)), Some(answer)) = (&call.reply, answer) {
                events.push((*at, process, Ok(answer)));
            }
        }
    }
    // Of two events at one time the invocation comes first: then the operations overlap.
    events.sort_by_key(|(at, process, event)| (*at, event.is_ok(), *process));
    let mut history = History::new();
    for (at, process, event) in events {
        let time = i64::try_from(at.0).map_err(|_| "a run ends within 290,000 years".to_owned())?;
        let history = history.at(time).map_err(|error| error.to_string())?;
        let added = match event {
            Err(operation) => history.invoke(process, operation),
            Ok(answer) => history.ok(process, answer),
        };
        added
            .map_err(|error| format!("the model answers each operation by an answer of its kind\n{error}"))?;
    }
    match check(&history, Budget::default()).verdict {
        Verdict::Linearizable | Verdict::Undecided { .. } => Ok(()),
        Verdict::NotLinearizable(evidence) => {
            let mut says = "the history is linearizable".to_owned();
            for line in evidence.iter().flat_map(|evidence| evidence.lines()) {
                says.push('\n');
                says.push_str(&line);
            }
            Err(says)
        }
    }
}
