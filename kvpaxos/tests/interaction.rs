//! Interaction scripts: scenes of the protocol as text, to be read from top to bottom. Below each command
//! stand its effects: everything that leaves a replica. `UPDATE_EXPECT=1 cargo test -p kvpaxos --test
//! interaction` writes the effects anew.

#[path = "interaction/client.rs"]
mod client;
#[path = "interaction/driver.rs"]
mod driver;
#[path = "interaction/script.rs"]
mod script;
#[path = "interaction/show.rs"]
mod show;
#[allow(dead_code, reason = "each test binary uses its part")]
mod support;
#[path = "interaction/word.rs"]
mod word;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One test for each script, so that each fails under its own name.
macro_rules! scripts {
    ($($(#[$attribute:meta])* $test:ident => $file:literal,)*) => {
        const SCRIPTS: &[&str] = &[$($file),*];
        $(
            #[test]
            $(#[$attribute])*
            fn $test() {
                play($file);
            }
        )*
    };
}

scripts! {
    normal_case => "01_normal_case",
    phase_1_carries_over => "02_phase_1_carries_over",
    gap_filling => "03_gap_filling",
    duelling_proposers => "04_duelling_proposers",
    lost_messages => "05_lost_messages",
    forwarding => "06_forwarding",
    read_index => "07_read_index",
    leader_deposed_during_a_read => "08_leader_deposed_during_a_read",
    new_leader_reads_wait => "09_new_leader_reads_wait",
    restart_from_records => "10_restart_from_records",
    role_fails_during_a_write => "11_role_fails_during_a_write",
    acceptor_without_memory => "12_acceptor_without_memory",
    two_phase_update => "13_two_phase_update",
    two_phase_stall => "14_two_phase_stall",
    catch_up_in_chunks => "15_catch_up_in_chunks",
    promise_in_chunks => "16_promise_in_chunks",
    duplicate_requests => "17_duplicate_requests",
    limits => "18_limits",
    busy => "19_busy",
    two_phase_go_without_answer => "20_two_phase_go_without_answer",
    leader_confirms_late => "21_leader_confirms_late",
    every_learner_lost => "22_every_learner_lost",
    no_ballot_twice_without_memory => "23_no_ballot_twice_without_memory",
    lost_disk_is_not_forgotten => "24_lost_disk_is_not_forgotten",
    long_promise_takes_its_time => "25_long_promise_takes_its_time",
    long_phase_1_is_not_outbid => "26_long_phase_1_is_not_outbid",
    new_leader_is_given_time => "27_new_leader_is_given_time",
    overtaken_leader_learns => "28_overtaken_leader_learns",
    snapshot_that_came_too_late => "29_snapshot_that_came_too_late",
    acceptor_recovers => "30_acceptor_recovers",
    memory_lost_for_good => "31_memory_lost_for_good",
    snapshot_transfer => "32_snapshot_transfer",
    checkpoint => "33_checkpoint",
    leader_without_a_learner => "34_leader_without_a_learner",
    snapshot_that_nobody_has => "35_snapshot_that_nobody_has",
    loss_undone_by_a_crash => "36_loss_undone_by_a_crash",
    repeats_are_bounded => "37_repeats_are_bounded",
    own_command_that_did_not_fit => "38_own_command_that_did_not_fit",
    repeats_are_proposed_once => "39_repeats_are_proposed_once",
    open_asked_again => "40_open_asked_again",
    snapshot_that_was_changed => "41_snapshot_that_was_changed",
    cut_further_than_anybody_knows => "42_cut_further_than_anybody_knows",
    checkpoint_of_a_learner_that_failed => "43_checkpoint_of_a_learner_that_failed",
    leadership_handed_over => "44_leadership_handed_over",
    successor_that_does_not_stand => "45_successor_that_does_not_stand",
    snapshot_kept_for_a_slow_replica => "46_snapshot_kept_for_a_slow_replica",
    who_is_outbid_gives_time => "47_who_is_outbid_gives_time",
    checkpoint_holds_more_than_its_snapshot => "48_checkpoint_holds_more_than_its_snapshot",
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

fn play(name: &str) {
    let path = directory().join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let played = script::play(&text);
    expect_test::expect_file![path].assert_eq(&played);
}

/// If a script were not listed, its test would be missing without notice.
#[test]
fn every_script_is_played() {
    let listed: BTreeSet<String> = SCRIPTS.iter().map(|name| format!("{name}.txt")).collect();
    let entries = std::fs::read_dir(directory()).unwrap();
    let found: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, listed);
}
