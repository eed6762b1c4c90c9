//! The lock service in the simulator.

use kvpaxos::{Config, Micros};
use kvpaxos_sim::protocol::{CallOf, Draws, Protocol, Setup};

use super::locks::{Action, Answer, Ask};
use super::server::{Server, config};

pub(crate) struct LockService;

impl Protocol for LockService {
    type Machine = Server;
    type Observer = ();
    const NAME: &'static str = "lock-service";

    fn configs(&self) -> Vec<Config> {
        (0..3).map(config).collect()
    }

    fn setup(&self) -> Setup {
        let mut setup = Setup::default();
        (setup.patience, setup.length) = (Micros(1_000_000), Micros(8_000_000));
        setup
    }

    /// Clients take two locks, and release what they guess to be taken.
    fn request(&self, number: u64, draws: &mut Draws<'_>) -> Ask {
        let lock = draws.pick(&["a", "b"]).to_owned();
        let owner = draws.client().into();
        let action = if draws.chance(50) {
            Action::Take { owner }
        } else {
            Action::Release {
                token: draws.below(20),
            }
        };
        Ask { number, lock, action }
    }

    fn state(server: &Server) -> Vec<(&'static str, String)> {
        vec![("locks", server.locks.state())]
    }

    /// Whenever a lock is taken, its token is not below those before; no two owners have the same one.
    fn judge(&self, calls: &[CallOf<LockService>]) -> Result<(), String> {
        let taken = calls
            .iter()
            .filter_map(|call| match (&call.request.action, &call.reply) {
                (Action::Take { owner }, Some((at, told))) => match told.answer {
                    Answer::Taken { token } => Some((call, owner, token, at)),
                    _ => None,
                },
                _ => None,
            });
        let taken: Vec<_> = taken.collect();
        for (first, owner, token, end) in &taken {
            for (later, other, next, _) in &taken {
                let one_lock = first.request.lock == later.request.lock;
                if token == next && !(one_lock && owner == other) {
                    return Err(format!("a token has one owner\n{token} has {owner} and {other}"));
                }
                if one_lock && later.at > **end && next < token {
                    return Err(format!(
                        "tokens go up\n{token} for {first:?}\n{next} for {later:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}
