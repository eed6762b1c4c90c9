//! sizes
use kvpaxos::*;
fn main() {
    println!(
        "Input {} Event {} Effect {} Request {} Command {} Op {} Outcome {} Reply {} Message {} Value {} Refusal {}",
        size_of::<Input>(),
        size_of::<Event>(),
        size_of::<Effect>(),
        size_of::<Request>(),
        size_of::<Command>(),
        size_of::<Op>(),
        size_of::<Outcome>(),
        size_of::<Reply>(),
        size_of::<Message>(),
        size_of::<Value>(),
        size_of::<Refusal>()
    );
}
