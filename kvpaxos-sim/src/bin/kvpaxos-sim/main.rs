//! The program `kvpaxos-sim`.
use std::time::Instant;
fn main() {
    let mut args = std::env::args().skip(1);
    let a: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(0);
    let b: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(a + 1);
    for seed in a..b {
        let began = Instant::now();
        let report = kvpaxos_sim::run_seed(
            seed,
            if args.len() > 0 {
                kvpaxos_sim::Trace::Print
            } else {
                kvpaxos_sim::Trace::Off
            },
        );
        if b > a + 1 {
            println!(
                "{seed} {} {} ev {} ops {:?} {}",
                report.digest,
                report.counts.events,
                report.fates.begun,
                report.phases,
                began.elapsed().as_micros()
            );
            if let Some(v) = report.violation {
                println!("   {v}");
            }
        } else {
            println!(
                "{report}\n{} events/s",
                report.counts.events as u128 * 1_000_000 / began.elapsed().as_micros()
            );
        }
    }
}
